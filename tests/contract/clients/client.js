// Sends requests through axios, as Node clients do. Questions and answers are lines of JSON on standard input and output,
// bodies in base64.
'use strict';
const readline = require('readline');
const axios = require('axios');

async function ask(question) {
  const headers = {};
  for (const [name, value] of question.headers) headers[name] = value;
  const options = {
    url: question.url, method: question.method, headers, timeout: 60000, decompress: false, maxRedirects: 0,
    responseType: 'arraybuffer', validateStatus: () => true, transformRequest: [(data) => data],
  };
  if (question.body !== '') options.data = Buffer.from(question.body, 'base64');
  const answer = await axios(options);
  const pairs = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
  return { status: answer.status, headers: pairs, body: Buffer.from(answer.data).toString('base64') };
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const answer = await ask(JSON.parse(line)).catch((error) => ({ failure: String(error && error.stack) }));
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
}

main();
