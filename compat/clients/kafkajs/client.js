// kafkajs behind the common command line. gzip is built in; the other codecs are plugged in, all of them without native code.
const fs = require('fs')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')

const PART = 1011
const CRC_TABLE = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n >>> 0
})

function crc32(bytes) {
  let crc = 0xffffffff
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8)
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0')
}

function plugCodecs() {
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
  const lz4 = require('lz4js')
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder) => independentBlock(Buffer.from(lz4.compress(encoder.buffer))),
    decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
  })
  // Streaming, because some producers leave the content size out of the frame.
  let streaming
  const zstd = () => (streaming ??= new Promise((done) => require('zstd-codec').ZstdCodec.run((z) => done(new z.Streaming()))))
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from((await zstd()).compress(encoder.buffer, 3)),
    decompress: async (buffer) => Buffer.from((await zstd()).decompress(buffer)),
  })
}

// lz4js declares its blocks linked, which Kafka's reader refuses; a frame of one block (up to 4 MiB) may call it independent.
function independentBlock(frame) {
  frame[4] |= 0x20
  frame[6] = (require('lz4js/xxh32.js').hash(0, frame, 4, 2) >> 8) & 0xff
  return frame
}

const TYPES = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
}

function connect(bootstrap) {
  return new Kafka({ clientId: 'compat', brokers: [bootstrap], logLevel: logLevel.ERROR })
}

async function produce(bootstrap, topic, codec, count, partitions, poolFile) {
  const pool = fs.readFileSync(poolFile)
  const producer = connect(bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let from = 0; from < count; from += 600) {
    const messages = []
    for (let i = from; i < Math.min(from + 600, count); i++) {
      const start = (i * 1031) % (pool.length - PART)
      messages.push({
        partition: i % partitions,
        key: i % 7 === 3 && i % 97 !== 5 ? null : `k${i}`,
        value: i % 97 === 5 ? null
          : Buffer.concat([Buffer.from(String(i).padStart(12, '0') + ':'), pool.subarray(start, start + PART)]),
        headers: { h: [String(i), 'again'], e: '' },
      })
    }
    await producer.send({ topic, acks: -1, compression: TYPES[codec], messages })
  }
  await producer.disconnect()
}

async function consume(bootstrap, topic, count) {
  const consumer = connect(bootstrap).consumer({
    groupId: `kafkajs-${topic}`, maxBytesPerPartition: 32768, maxBytes: 65536, maxWaitTimeInMs: 500,
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let seen = 0
  let finish
  const finished = new Promise((done) => { finish = done })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const headers = Object.entries(message.headers ?? {})
        .flatMap(([name, value]) => [].concat(value).map((one) => `${name}=${one ?? ''}`)).join(',')
      const key = message.key === null ? '-' : `=${message.key}`
      const value = message.value === null ? '-' : `=${message.value.length}:${crc32(message.value)}`
      process.stdout.write(`${partition}\t${message.offset}\t${key}\t${value}\t${headers}\n`)
      if (++seen === count) finish()
    },
  })
  await finished
  await consumer.disconnect()
}

async function main([verb, ...args]) {
  process.exitCode = 1 // until the work is done: a stopped consumer lets Node end by itself
  try {
    plugCodecs()
  } catch (error) {
    console.error(error.message)
    process.exit(77)
  }
  if (verb === 'produce') await produce(args[0], args[1], args[2], Number(args[3]), Number(args[4]), args[5])
  else await consume(args[0], args[1], Number(args[2]))
  process.exitCode = 0
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exit(1)
})
