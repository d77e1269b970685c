'use strict'
// Loads NDJSON calls from standard input into the Node peer's layout: JSON by id, and a sorted set of ids per number.

const { createHash } = require('node:crypto')
const { readFileSync } = require('node:fs')
const readline = require('node:readline')
const Redis = require('ioredis')
const { canonical, tenantKey, callsKey, callKey, options } = require('./legacy')

const PARTY = ['phone', 'vbot_id', 'date_create', 'disposition', 'time_call', 'postage', 'source', 'member_no']

function party (from) {
  const out = {}
  for (const name of PARTY) out[name] = from[name] ?? (name === 'postage' ? 0 : '')
  out.disposition = out.disposition.toUpperCase()
  return out
}

// Milliseconds of MM/DD/YYYY HH:MM:SS in a zone without daylight saving.
function moment (text) {
  const [, month, day, year, time] = /^(\d\d)\/(\d\d)\/(\d{4}) (\d\d:\d\d:\d\d)$/.exec(text)
  return Date.parse(`${year}-${month}-${day}T${time}+07:00`)
}

function add (pipe, text) {
  const line = JSON.parse(text)
  const id = line.id || line.trans_id || createHash('sha256').update(text).digest('hex').slice(0, 32)
  const call = {
    hotline_number: line.hotline_number || '',
    date_create: line.date_create,
    caller: (line.caller || []).map(party),
    callee: (line.callee || []).map(party),
    time_call: line.time_call || '',
    type_call: (line.type_call || '').toUpperCase(),
    disposition: (line.disposition || '').toUpperCase(),
    record_file: line.record_file || []
  }
  if (line.event_data) call.event_data = line.event_data
  const tenant = tenantKey(line.project_code, line.vbot_id)
  const start = moment(line.date_create)
  pipe.set(callKey(tenant, id), JSON.stringify(call))
  for (const one of [...call.caller, ...call.callee]) {
    if (one.phone) pipe.zadd(callsKey(tenant, canonical(one.phone)), start, id)
  }
  return tenant
}

async function main () {
  const { redis: store, 'token-file': tokenFile } = options(process.argv.slice(2))
  const redis = new Redis({ path: store })
  const digest = createHash('sha256').update(readFileSync(tokenFile, 'utf8').trim()).digest('hex')
  const tenants = new Set()
  let pipe = redis.pipeline()
  for await (const text of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    tenants.add(add(pipe, text))
    if (pipe.length >= 2000) {
      await pipe.exec()
      pipe = redis.pipeline()
    }
  }
  for (const tenant of tenants) pipe.sadd('token:' + digest, tenant)
  await pipe.exec()
  redis.disconnect()
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
