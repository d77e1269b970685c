// Reads a JSON array of PromQL expressions from standard input and prints, as JSON, those that are not well formed.
'use strict';

const { parser } = require('@prometheus-io/lezer-promql');

function wellFormed(expression) {
	let good = expression.trim() !== '';
	parser.parse(expression).iterate({ enter: (node) => { good &&= !node.type.isError; } });
	return good;
}

const expressions = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(expressions.filter((expression) => !wellFormed(expression))));
