'use strict'
// Peer gateway: fastify with schemas both ways in front of the peer service.

const grpc = require('@grpc/grpc-js')
const stringify = require('fast-json-stringify')
const fastify = require('fastify')
const { CallHistory, options } = require('./legacy')

const { listen, service } = options(process.argv.slice(2))
const calls = new CallHistory(service, grpc.credentials.createInsecure())
const app = fastify({ logger: false, bodyLimit: 4096, exposeHeadRoutes: false })
app.addHttpMethod('GET', { hasBody: true, overrideExisting: true })

const string = { type: 'string' }
const integer = { type: 'integer' }
const party = {
  type: 'object',
  properties: {
    phone: string, vbot_id: string, date_create: string, disposition: string, time_call: string, postage: { type: 'number' },
    source: string, member_no: string
  }
}
const call = {
  type: 'object',
  properties: {
    hotline_number: string, date_create: string, caller: { type: 'array', items: party },
    callee: { type: 'array', items: party }, time_call: string, type_call: string, disposition: string,
    record_file: { type: 'array', items: string }, event_data: string
  }
}
const envelope = data => ({
  type: 'object', properties: { status: integer, error: integer, message: string, data }
})

// List and count share a path and differ in shape, so each has a serializer of its own.
const writeList = stringify(envelope({ type: 'array', items: call }))
const writeCount = stringify(envelope(integer))

const httpStatus = {
  [grpc.status.INVALID_ARGUMENT]: 400,
  [grpc.status.UNAUTHENTICATED]: 401,
  [grpc.status.PERMISSION_DENIED]: 403,
  [grpc.status.NOT_FOUND]: 404,
  [grpc.status.RESOURCE_EXHAUSTED]: 429,
  [grpc.status.UNAVAILABLE]: 503,
  [grpc.status.DEADLINE_EXCEEDED]: 504
}

app.setErrorHandler((error, request, reply) => {
  const code = httpStatus[error.code] || error.statusCode || 500
  if (code === 401) reply.header('WWW-Authenticate', 'Bearer')
  reply.code(code).send({ status: 0, error: code, message: error.details || error.message })
})

function invoke (method, request, authorization) {
  const metadata = new grpc.Metadata()
  if (authorization) metadata.set('authorization', authorization)
  return new Promise((resolve, reject) => {
    calls[method](request, metadata, (error, answer) => error ? reject(error) : resolve(answer))
  })
}

app.route({
  method: 'GET',
  url: '/api/crm/historycall/getAll',
  schema: {
    body: {
      type: 'object',
      properties: { vbot_id: string, project_code: string, phone: string, page: integer, size: integer }
    }
  },
  handler: async (request, reply) => {
    const body = request.body
    const isList = body.page !== undefined || body.size !== undefined
    const answer = await invoke(isList ? 'List' : 'Count', body, request.headers.authorization)
    reply.header('Content-Type', 'application/json; charset=utf-8')
    return (isList ? writeList : writeCount)(answer)
  }
})

const [host, port] = listen.split(':')
app.listen({ host, port: Number(port) })
process.on('SIGTERM', () => process.exit(0))
