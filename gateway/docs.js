// Renders /openapi.json as a reference in which each request can be tried. Text goes into the page as text, never as HTML; the token
// stays in its field.
"use strict";

let api;

function make(tag, properties, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children.filter((child) => child != null));
	return element;
}

// Follows $ref, once or more.
function resolve(value) {
	while (value && value.$ref)
		value = value.$ref.slice(2).split("/").reduce((at, part) => at[part], api);
	return value;
}

function typeOf(schema) {
	schema = resolve(schema);
	if (!schema) return "";
	if ("const" in schema) return JSON.stringify(schema.const);
	if (schema.oneOf) return schema.oneOf.map(typeOf).join(" or ");
	if (schema.enum) return schema.enum.join(" | ");
	if (schema.type === "array") return `array of ${typeOf(schema.items)}`;
	const bounds = [["minimum", "from"], ["maximum", "to"], ["minLength", "at least"], ["maxLength", "at most"]]
		.filter(([key]) => key in schema).map(([key, word]) => `${word} ${schema[key]}`).join(" ");
	return [[schema.type].flat().join(" | "), bounds && `(${bounds}${"maxLength" in schema ? " characters" : ""})`].filter(Boolean).join(" ");
}

// The fields of an object, those of objects within indented.
function rows(schema, depth = 0) {
	schema = resolve(schema);
	if (!schema) return [];
	if (schema.oneOf && !schema.type) return schema.oneOf.flatMap((one) => rows(one, depth));
	if (schema.type === "array") return rows(schema.items, depth);
	return Object.entries(schema.properties || {}).flatMap(([name, property]) => {
		const inner = resolve(property);
		const row = make("tr", {}, make("td", {}, make("code", { textContent: "\u00a0".repeat(4 * depth) + name })),
			make("td", { textContent: typeOf(property) }), make("td", { textContent: inner.description || "" }));
		return [row, ...(depth < 3 ? rows(inner, depth + 1) : [])];
	});
}

function table(found) {
	return found.length ? make("table", {}, make("tbody", {}, ...found)) : null;
}

function example(media) {
	if (!media) return null;
	const examples = media.examples ? Object.values(media.examples).map((one) => one.value) : [media.example];
	const schema = resolve(media.schema);
	const shown = examples[0] !== undefined ? examples : (schema && schema.examples) || [];
	return shown.length ? make("pre", { textContent: shown.map((one) => JSON.stringify(one, null, 2)).join("\n\n") }) : null;
}

// ---- Trying a request

function credentials() {
	const token = document.getElementById("token").value.trim();
	if (!token) return {};
	return document.getElementById("scheme").value === "X-API-KEY" ? { "X-API-KEY": token } : { Authorization: `Bearer ${token}` };
}

async function send(method, path, fields, body, output) {
	const query = new URLSearchParams();
	const headers = credentials();
	for (const { parameter, input } of fields) {
		const value = input.value.trim();
		if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
		else if (value && parameter.in === "query") query.append(parameter.name, value);
		else if (value) headers[parameter.name] = value;
	}
	const text = body && body.value.trim();
	if (text) headers["Content-Type"] = "application/json";
	const target = path + (query.size ? `?${query}` : "");
	output.textContent = "Waiting for the answer.";
	try {
		const answer = await fetch(target, { method, headers, body: text || undefined, redirect: "manual" });
		let shown = await answer.text();
		try {
			shown = JSON.stringify(JSON.parse(shown), null, 2);
		} catch {
			// Not JSON: shown as it came.
		}
		const status = answer.type === "opaqueredirect" ? "302: the browser hides where a redirect leads"
			: `${answer.status} ${answer.statusText}`;
		output.textContent = `${method} ${target}\n\n${status}\n${shown}`;
	} catch (error) {
		output.textContent = `${method} ${target}\n\nNo answer: ${error.message}`;
	}
}

function form(method, path, operation) {
	const parameters = (operation.parameters || []).map(resolve);
	const fields = parameters.map((parameter) => ({
		parameter, input: make("input", { name: parameter.name, placeholder: String(parameter.example ?? ""), autocomplete: "off" }),
	}));
	// A browser's GET has no body.
	const body = operation.requestBody && method !== "GET" ? make("textarea", { name: "body", rows: 5 }) : null;
	const output = make("pre", { className: "output" });
	output.setAttribute("aria-live", "polite");
	const made = make("form", {},
		...fields.map(({ parameter, input }) => make("label", {}, make("code", { textContent: parameter.name }),
			` ${parameter.in === "query" ? "" : `(${parameter.in}) `}${parameter.description || ""} ${typeOf(parameter.schema)}`, input)),
		body && make("label", {}, "JSON body", body), make("button", { textContent: `Send ${method}` }), output);
	made.addEventListener("submit", (event) => {
		event.preventDefault();
		send(method, path, fields, body, output);
	});
	return made;
}

// ---- The reference

function operationOf(method, path, operation) {
	const body = operation.requestBody && resolve(operation.requestBody).content["application/json"];
	const answers = Object.entries(operation.responses).map(([status, response]) => {
		const { description, content } = resolve(response);
		const media = content && Object.values(content)[0];
		return make("details", {}, make("summary", {}, make("b", { textContent: status }), description || ""),
			media && table(rows(media.schema)), example(media));
	});
	return make("details", { id: operation.operationId },
		make("summary", {}, make("b", { textContent: method }), make("code", { textContent: path }), ` ${operation.summary || ""}`),
		make("p", { textContent: operation.description || "" }),
		body && make("h4", { textContent: "Fields of the body" }), body && table(rows(body.schema)), example(body),
		make("h4", { textContent: "Answers" }), ...answers,
		make("h4", { textContent: "Try it" }), form(method, path, operation));
}

function render() {
	const reference = document.getElementById("reference");
	const methods = ["get", "post"];
	document.title = `${api.info.title} API`;
	reference.append(make("p", { textContent: api.info.description }), make("div", { className: "token" },
		make("select", { id: "scheme" }, make("option", { textContent: "Authorization: Bearer" }), make("option", { textContent: "X-API-KEY" })),
		make("input", { id: "token", type: "password", placeholder: "Access token for the requests below", autocomplete: "off" })));
	for (const tag of api.tags) {
		reference.append(make("h2", { textContent: tag.name }), make("p", { textContent: tag.description || "" }));
		for (const [path, item] of Object.entries(api.paths))
			for (const method of methods)
				if (item[method] && item[method].tags.includes(tag.name))
					reference.append(operationOf(method.toUpperCase(), path, item[method]));
	}
	document.getElementById("state").textContent = "";
}

fetch("/openapi.json").then((answer) => answer.json()).then((document) => {
	api = document;
	render();
}).catch((error) => {
	const state = document.getElementById("state");
	state.className = "error";
	state.textContent = `/openapi.json cannot be read: ${error.message}`;
});
