// A client written from generation 3's documents: one key, no tenant, paging by `params`, and `error` as the only test
// of success. Prints what it saw as JSON.
'use strict';
const axios = require('axios');

const api = axios.create({
  baseURL: process.argv[2] + '/api/crm/historycall',
  headers: { 'X-API-KEY': process.argv[3] },
  maxRedirects: 0,
  timeout: 60000,
  validateStatus: (status) => status < 500,
});

async function ask(path, params) {
  const { data } = await api.get(path, { params });
  if (data.error !== 0) throw new Error(`${data.error}: ${data.message}`);
  return data.data;
}

async function everything() {
  const calls = [];
  for (let page = 1; page < 100; page += 1) {
    const got = await ask('/getAll', { page, size: 50 });
    calls.push(...got);
    if (got.length < 50) break;
  }
  return calls;
}

async function main() {
  const first = await ask('/getAll', { page: 1, size: 50 });
  const calls = await everything();
  const total = await ask('/countAll');
  const phone = await ask('/getAll', { phone: '+84 912 345 678', page: 1, size: 50 });
  const counted = await ask('/countAll', { phone: '+84912345678' });
  const from = Date.UTC(2026, 9, 25, 3, 0, 10);
  const range = await ask('/getAll', { from, to: from + 10000, page: 1, size: 50 });
  const recording = await api.get('/record/' + encodeURIComponent('with recording'));
  let refused = null;
  try {
    await ask('/getAll', { page: 0, size: 50 });
  } catch (error) {
    refused = error.message;
  }
  process.stdout.write(JSON.stringify({
    first: first.length, calls: calls.map((call) => call.date_create), total, phone: phone.length, counted,
    range: range.map((call) => call.date_create), location: recording.headers.location, refused,
    external: calls.filter((call) => call.external_call_id).map((call) => call.external_call_id),
  }));
}

main().catch((error) => {
  process.stderr.write(String(error && error.stack));
  process.exitCode = 1;
});
