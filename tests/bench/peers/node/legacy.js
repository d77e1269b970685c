'use strict'
// What gateway, service and loader share: the schema, numbers and key names.

const path = require('node:path')
const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')

const definition = loader.loadSync(process.env.PEER_PROTO || path.join(__dirname, '..', 'peer.proto'), {
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: false
})

exports.CallHistory = grpc.loadPackageDefinition(definition).peer.v1.CallHistory

// One spelling for the ways to write a Vietnamese number; all else stays as it is.
exports.canonical = function canonical (phone) {
  if (!/^\+?[0-9 .()/-]+$/.test(phone)) return phone
  const digits = phone.replace(/[^0-9]/g, '')
  if (digits.length >= 11 && digits.startsWith('0084')) return '0' + digits.slice(4)
  if (digits.length >= 10 && digits.startsWith('84')) return '0' + digits.slice(2)
  return phone.startsWith('+') ? '+' + digits : digits
}

exports.tenantKey = (project, vbot) => `{${project}/${vbot}}`
exports.callsKey = (tenant, number) => `${tenant}:calls:${number}`
exports.callKey = (tenant, id) => `${tenant}:call:${id}`

// Options of the form --name value.
exports.options = function options (argv) {
  const out = {}
  for (let i = 0; i + 1 < argv.length; i += 2) out[argv[i].replace(/^--/, '')] = argv[i + 1]
  return out
}
