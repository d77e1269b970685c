// Sends one request through axios, as Node clients do. Question and answer are JSON on standard input and output,
// bodies in base64.
'use strict';
const axios = require('axios');

let input = '';
process.stdin.on('data', (piece) => { input += piece; });
process.stdin.on('end', async () => {
  const question = JSON.parse(input);
  const headers = {};
  for (const [name, value] of question.headers) headers[name] = value;
  const options = {
    url: question.url, method: question.method, headers, timeout: 60000, decompress: false, maxRedirects: 0,
    responseType: 'arraybuffer', validateStatus: () => true, transformRequest: [(data) => data],
  };
  if (question.body !== '') options.data = Buffer.from(question.body, 'base64');
  try {
    const answer = await axios(options);
    const pairs = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
    process.stdout.write(JSON.stringify({
      status: answer.status, headers: pairs, body: Buffer.from(answer.data).toString('base64'),
    }));
  } catch (error) {
    process.stderr.write(String(error && error.stack));
    process.exitCode = 1;
  }
});
