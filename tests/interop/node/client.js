// The interop scenario in Node (@grpc/grpc-js): one line per step, exit status 1 at the first that fails.
'use strict';

const assert = require('node:assert/strict');
const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const { GrpcReflection } = require('grpc-js-reflection-client');

const CALLS = 25;
const { CALLHISTORY_SERVICE: ADDRESS, CALLHISTORY_NUMBER: NUMBER } = process.env;
const TENANT = { project_code: process.env.CALLHISTORY_PROJECT_CODE, vbot_id: process.env.CALLHISTORY_VBOT_ID };

const files = ['callhistory/v1/call_history_service', 'callhistory/v1/call_ingest_service', 'grpc/health/v1/health',
	'google/rpc/status', 'google/rpc/error_details'].map((name) => `${name}.proto`);
const definition = protoLoader.loadSync(files, {
	includeDirs: [process.env.CALLHISTORY_PROTO], keepCase: true, longs: Number, enums: String,
});
const { callhistory: { v1 }, grpc: { health: { v1: healthV1 } } } = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.createInsecure();
const history = new v1.CallHistoryService(ADDRESS, credentials);
const ingest = new v1.CallIngestService(ADDRESS, credentials);
const health = new healthV1.Health(ADDRESS, credentials);

const driver = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function step(name, text) {
	console.log(`${name}: ${text}`);
}

// Has the driver do something to Redis, and returns when it is done.
async function ask(what) {
	console.log(`> ${what}`);
	assert.ok(!(await driver.next()).done, 'the driver went away');
}

// One unary call with the token of a variable ('': none).
function call(client, method, variable, request, milliseconds = 30000) {
	const metadata = new grpc.Metadata();
	if (variable)
		metadata.set('authorization', `Bearer ${process.env[variable]}`);
	return new Promise((resolve, reject) => {
		client[method](request, metadata, { deadline: Date.now() + milliseconds },
			(error, answer) => (error ? reject(error) : resolve(answer)));
	});
}

const READER = 'CALLHISTORY_READER';
const WRITER = 'CALLHISTORY_WRITER';

function makeCall(i) {
	return {
		recordings: [`https://recordings.example.vn/${NUMBER}/${i}`],
		callers: [{ phone: NUMBER, charge: { amount: 6.1 } }],
		callees: [{ phone: '201', member_no: '201', start_offset_ms: 1500 }],
		id: `${NUMBER}/${i}`,
		start_time: { seconds: 1760000000 + i },
		direction: 'CALL_DIRECTION_INBOUND',
		disposition: 'DISPOSITION_ANSWERED',
		hotline: '19001234',
		talk_seconds: i,
	};
}

async function reading() {
	const calls = Array.from({ length: CALLS }, (_, i) => makeCall(i));
	for (const outcome of ['OUTCOME_RECORDED', 'OUTCOME_UNCHANGED']) {
		const { results } = await call(ingest, 'RecordCalls', WRITER, { ...TENANT, calls });
		assert.deepEqual(results.map((result) => [result.id, result.outcome]), calls.map(({ id }) => [id, outcome]));
	}
	step('record', `${CALLS} recorded, then unchanged`);

	const { count } = await call(history, 'CountCalls', READER, { ...TENANT, phone: `+84 ${NUMBER.slice(1)}` });
	assert.equal(count, CALLS);
	step('count', count);

	const list = (more) => call(history, 'ListCalls', READER, { ...TENANT, phone: NUMBER, ...more });
	const newestFirst = calls.map(({ id }) => id).reverse();
	const pages = [];
	for (const page of [1, 2, 3, 4])
		pages.push((await list({ page, page_size: 10 })).calls ?? []);
	assert.deepEqual(pages.map((page) => page.length), [10, 10, 5, 0]);
	assert.deepEqual(pages.flat().map(({ id }) => id), newestFirst);
	step('offset', 'pages of 10, 10, 5 and 0, newest first');

	const seen = [];
	let token = '';
	let turns = 0;
	do {
		const answer = await list({ page_size: 7, page_token: token });
		seen.push(...answer.calls.map(({ id }) => id));
		token = answer.next_page_token;
		turns++;
	} while (token && turns <= CALLS);
	assert.deepEqual(seen, newestFirst);
	step('token', `${seen.length} calls on ${turns} pages, to the end`);

	const metadata = new grpc.Metadata();
	metadata.set('authorization', `Bearer ${process.env[READER]}`);
	const messages = [];
	for await (const message of history.ExportCalls({ ...TENANT, phone: NUMBER, page_size: 7 }, metadata))
		messages.push(message);
	assert.deepEqual(messages.flatMap((message) => message.calls.map(({ id }) => id)), newestFirst);
	assert.deepEqual(messages.map((message) => Boolean(message.change_token)), [true, false, false, false]);
	step('export', `${newestFirst.length} calls in ${messages.length} messages`);

	const one = await call(history, 'GetCall', READER, { ...TENANT, id: `${NUMBER}/3` });
	assert.deepEqual({ ...one.call }, makeCall(3));
	step('get', 'the call as it was recorded');
}

// Waits for a failure, checks its code and its ErrorInfo, and gives the details by the name of their type.
async function failure(code, promise) {
	const error = await promise.then(() => assert.fail(`status ${code} wanted, not an answer`), (caught) => caught);
	assert.equal(error.code, code, error);
	const details = {};
	const [packed] = error.metadata.get('grpc-status-details-bin');
	assert.ok(packed, 'no details');
	for (const { type_url: url, value } of definition['google.rpc.Status'].deserialize(packed).details) {
		const name = url.split('/').pop();
		details[name.replace('google.rpc.', '')] = definition[name].deserialize(value);
	}
	assert.equal(details.ErrorInfo?.domain, 'callhistory.v1');
	assert.ok(details.ErrorInfo.reason);
	return details;
}

async function errors() {
	let details = await failure(grpc.status.INVALID_ARGUMENT, call(history, 'ListCalls', READER, { ...TENANT, page_size: -1 }));
	assert.equal(details.BadRequest.field_violations[0].field, 'page_size');
	step('bad-request', details.BadRequest.field_violations[0].field);

	const request = { ...TENANT, phone: NUMBER };
	details = await failure(grpc.status.UNAUTHENTICATED, call(history, 'CountCalls', '', request));
	step('unauthenticated', details.ErrorInfo.reason);

	details = await failure(grpc.status.PERMISSION_DENIED,
		call(ingest, 'RecordCalls', READER, { ...TENANT, calls: [makeCall(0)] }));
	step('permission-denied', details.ErrorInfo.reason);

	details = await failure(grpc.status.NOT_FOUND, call(history, 'GetCall', READER, { ...TENANT, id: 'none' }));
	step('not-found', details.ErrorInfo.reason);

	details = await failure(grpc.status.RESOURCE_EXHAUSTED, (async () => {
		for (let i = 0; i < 100; i++)
			await call(history, 'CountCalls', 'CALLHISTORY_LIMITED', request);
	})());
	const { seconds = 0, nanos = 0 } = details.RetryInfo.retry_delay;
	assert.ok(seconds > 0 || nanos > 0);
	step('retry-info', `${details.ErrorInfo.reason}, with a delay`);
}

async function reflection() {
	const client = new GrpcReflection(ADDRESS, credentials);
	const names = await client.listServices();
	for (const name of ['callhistory.v1.CallHistoryService', 'callhistory.v1.CallIngestService', 'grpc.health.v1.Health',
		'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'])
		assert.ok(names.includes(name), `${name} is not among ${names}`);
	step('reflection-list', `${names.length} services`);

	const methods = (await client.listMethods('callhistory.v1.CallHistoryService')).map(({ name }) => name);
	assert.ok(methods.includes('ListCalls') && methods.includes('CountCalls'), String(methods));
	// A client made from the server's own description, with no proto file at hand.
	const described = await client.getDescriptorBySymbol('callhistory.v1.CallHistoryService');
	const made = described.getPackageObject({ keepCase: true, longs: Number });
	const stub = new made.callhistory.v1.CallHistoryService(ADDRESS, credentials);
	assert.equal((await call(stub, 'CountCalls', READER, { ...TENANT, phone: NUMBER })).count, CALLS);
	stub.close();
	step('reflection-describe', methods.join(', '));
}

async function deadline() {
	await ask('redis pause');
	await assert.rejects(call(history, 'CountCalls', READER, { ...TENANT, phone: NUMBER }, 300),
		{ code: grpc.status.DEADLINE_EXCEEDED });
	await ask('redis resume');
	step('deadline', 'exceeded while Redis was silent');
}

async function checkHealth() {
	for (const service of ['', 'callhistory.v1.CallHistoryService', 'callhistory.v1.CallIngestService'])
		assert.equal((await call(health, 'Check', '', { service })).status, 'SERVING');
	await assert.rejects(call(health, 'Check', '', { service: 'none' }), { code: grpc.status.NOT_FOUND });
	step('health-check', 'SERVING');

	const watch = health.Watch({ service: 'callhistory.v1.CallHistoryService' }, { deadline: Date.now() + 30000 });
	const answers = watch[Symbol.asyncIterator]();
	const next = async (wanted) => assert.equal((await answers.next()).value.status, wanted);
	await next('SERVING');
	await ask('redis stop');
	await next('NOT_SERVING');
	await ask('redis start');
	await next('SERVING');
	watch.on('error', () => {});
	watch.cancel();
	step('health-watch', 'SERVING, NOT_SERVING without Redis, SERVING');
}

async function main() {
	await reading();
	await errors();
	await reflection();
	await deadline();
	await checkHealth();
}

main().then(() => process.exit(0), (error) => {
	console.log('failed:', error);
	process.exit(1);
});
