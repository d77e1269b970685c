'use strict'
// Peer service: @grpc/grpc-js over ioredis. A call is JSON under its id; a number's calls are a sorted set of ids.

const { createHash } = require('node:crypto')
const grpc = require('@grpc/grpc-js')
const Redis = require('ioredis')
const { CallHistory, canonical, tenantKey, callsKey, callKey, options } = require('./legacy')

const { listen, redis: store } = options(process.argv.slice(2))
const redis = new Redis({ path: store })

class Failure extends Error {
  constructor (code, details) {
    super(details)
    this.code = code
    this.details = details
  }
}

// What was found of a token is kept for a second, so that a page costs no extra trip to Redis.
const known = new Map()

async function tenantsOf (token) {
  const found = known.get(token)
  if (found && found.until > Date.now()) return found.tenants
  const digest = createHash('sha256').update(token).digest('hex')
  const tenants = new Set(await redis.smembers('token:' + digest))
  if (known.size >= 4096) known.clear()
  known.set(token, { tenants, until: Date.now() + 1000 })
  return tenants
}

function check (field, value, limit) {
  // eslint-disable-next-line no-control-regex
  if (!value || value.length > limit || /[\x00-\x1f\x7f]/.test(value)) {
    throw new Failure(grpc.status.INVALID_ARGUMENT, `${field} is missing, too long or has a control character`)
  }
}

async function tenant (call) {
  const header = call.metadata.get('authorization')[0]
  if (!header || !header.startsWith('Bearer ')) {
    throw new Failure(grpc.status.UNAUTHENTICATED, 'credentials are missing')
  }
  const tenants = await tenantsOf(header.slice('Bearer '.length))
  if (tenants.size === 0) throw new Failure(grpc.status.UNAUTHENTICATED, 'the token is not valid')
  check('project_code', call.request.project_code, 64)
  check('vbot_id', call.request.vbot_id, 64)
  const name = tenantKey(call.request.project_code, call.request.vbot_id)
  if (!tenants.has(name)) throw new Failure(grpc.status.PERMISSION_DENIED, 'the token does not open this account')
  check('phone', call.request.phone, 32)
  return name
}

async function list (call) {
  const name = await tenant(call)
  const { phone, page, size } = call.request
  if (!(page >= 1)) throw new Failure(grpc.status.INVALID_ARGUMENT, 'page is missing or below 1')
  if (!(size >= 1 && size <= 1000)) throw new Failure(grpc.status.INVALID_ARGUMENT, 'size is missing or not from 1 to 1000')
  const start = (page - 1) * size
  const ids = await redis.zrevrange(callsKey(name, canonical(phone)), start, start + size - 1)
  const records = ids.length ? await redis.mget(ids.map(id => callKey(name, id))) : []
  return { status: 1, error: 0, message: 'success', data: records.filter(Boolean).map(text => JSON.parse(text)) }
}

async function count (call) {
  const name = await tenant(call)
  const data = await redis.zcard(callsKey(name, canonical(call.request.phone)))
  return { status: 1, error: 0, message: 'success', data }
}

function unary (handler) {
  return (call, callback) => {
    handler(call).then(
      answer => callback(null, answer),
      error => callback(error instanceof Failure ? error : { code: grpc.status.UNAVAILABLE, details: 'the store is away' })
    )
  }
}

const server = new grpc.Server()
server.addService(CallHistory.service, { List: unary(list), Count: unary(count) })
server.bindAsync(listen, grpc.ServerCredentials.createInsecure(), error => {
  if (error) throw error
})
process.on('SIGTERM', () => process.exit(0))
