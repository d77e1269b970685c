// Calls without a pause through rolling restarts (@grpc/grpc-js): a client as it is by default, which has no retryPolicy.
// Prints each call that failed, and at the end how many there were.
'use strict';

const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const WORKERS = 8; // per channel
const EXPECTED = 25;
const CALLS = Number(process.env.CALLHISTORY_CALLS);

const definition = protoLoader.loadSync('callhistory/v1/call_history_service.proto',
	{ includeDirs: [process.env.CALLHISTORY_PROTO], keepCase: true, longs: Number, enums: String });
const { CallHistoryService } = grpc.loadPackageDefinition(definition).callhistory.v1;
const metadata = new grpc.Metadata();
metadata.set('authorization', `Bearer ${process.env.CALLHISTORY_READER}`);

let started = 0;
let answered = 0;
let lost = 0;

function count(history) {
	return new Promise((resolve) => {
		history.CountCalls({ phone: process.env.CALLHISTORY_NUMBER }, metadata, { deadline: Date.now() + 30000 }, (error, answer) => {
			if (!error && answer.count === EXPECTED) {
				answered++;
			} else {
				lost++;
				console.log(`lost: ${error || answer.count}`);
			}
			resolve();
		});
	});
}

async function work(history) {
	while (started++ < CALLS)
		await count(history);
}

async function main() {
	const running = [];
	for (const options of [{}, { 'grpc.service_config': '{"loadBalancingConfig": [{"round_robin": {}}]}' }]) {
		const history = new CallHistoryService(`ipv4:${process.env.CALLHISTORY_SERVICES}`, grpc.credentials.createInsecure(),
			{ ...options, 'grpc.use_local_subchannel_pool': 1 });
		for (let i = 0; i < WORKERS; i++)
			running.push(work(history));
	}
	await Promise.all(running);
	console.log(`${answered} answered, ${lost} lost`);
	process.exit(0);
}

main();
