// kafkajs behind the scenario language. gzip is built in; the other codecs are plugged in, all of them without native code.
const fs = require('fs')
const readline = require('readline')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')

const PART = 1011
const BATCH = 600
const CRC_TABLE = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n >>> 0
})

class Cannot extends Error {}

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

class Program {
  constructor(bootstrap, pool) {
    this.kafka = new Kafka({ clientId: 'compat', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 4 } })
    this.pool = fs.readFileSync(pool)
    this.waiting = []
    this.next = new Map()
    this.assigned = []
  }

  version() {
    return `kafkajs ${require('kafkajs/package.json').version}`
  }

  // Administration.

  async admin() {
    if (!this.connected) {
      this.connected = this.kafka.admin()
      await this.connected.connect()
    }
    return this.connected
  }

  async create([topic, partitions], configs) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const topics = [{ topic, numPartitions: Number(partitions), replicationFactor: 1, configEntries }]
    // kafkajs answers false instead of an error for a topic that is there.
    if (!(await (await this.admin()).createTopics({ topics }))) throw Object.assign(new Error('exists'), { code: 36 })
  }

  async grow([topic, partitions]) {
    await (await this.admin()).createPartitions({ topicPartitions: [{ topic, count: Number(partitions) }] })
  }

  async configure([topic], configs) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await (await this.admin()).alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] })
  }

  async configured([topic, config]) {
    const found = await (await this.admin()).describeConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [config] }],
    })
    return found.resources[0].configEntries[0].configValue
  }

  async trim([topic, partition, offset]) {
    await (await this.admin()).fetchTopicOffsets(topic) // deleteTopicRecords itself asks no broker where the topic is
    await (await this.admin()).deleteTopicRecords({ topic, partitions: [{ partition: Number(partition), offset }] })
    return (await this.places(topic, Number(partition) + 1, 'earliest')).get(Number(partition))
  }

  async delete([topic]) {
    await (await this.admin()).deleteTopics({ topics: [topic] })
  }

  async topics() {
    return (await (await this.admin()).listTopics()).filter((name) => !name.startsWith('__')).sort().join(' ')
  }

  async offsets([topic, partitions, at]) {
    return pairs(await this.places(topic, Number(partitions), at))
  }

  // A connection of its own each time: one that has asked for a topic once fails when that is deleted.
  async places(topic, partitions, at) {
    const admin = this.kafka.admin()
    await admin.connect()
    try {
      const pick = (rows, field) => new Map(rows.filter((row) => row.partition < partitions).map((row) => [row.partition, row[field]]))
      if (at === 'earliest') return pick(await admin.fetchTopicOffsets(topic), 'low')
      if (at === 'latest') return pick(await admin.fetchTopicOffsets(topic), 'high')
      return pick(await admin.fetchTopicOffsetsByTimestamp(topic, Number(at)), 'offset')
    } finally {
      await admin.disconnect()
    }
  }

  async committed([groupId, topic, partitions]) {
    const [found] = await (await this.admin()).fetchOffsets({ groupId, topics: [topic] })
    return pairs(new Map(found.partitions.filter((one) => one.partition < Number(partitions)).map((one) => [one.partition, one.offset])))
  }

  // Records.

  record(i, partitions, size) {
    const start = (i * 1031) % (this.pool.length - PART)
    let value = null
    if (size) value = this.pool.subarray(0, Number(size))
    else if (i % 97 !== 5) value = Buffer.concat([Buffer.from(String(i).padStart(12, '0') + ':'), this.pool.subarray(start, start + PART)])
    const key = i % 7 === 3 && i % 97 !== 5 ? null : `k${i}`
    return { partition: i % partitions, key, value, headers: { h: [String(i), 'again'], e: '' } }
  }

  async produce([topic, count, partitions], { codec = 'none', idempotent = 'no', from = '0', size }) {
    const producer = this.kafka.producer({ idempotent: idempotent === 'yes', maxInFlightRequests: 1 })
    await producer.connect()
    try {
      const end = Number(from) + Number(count)
      for (let at = Number(from); at < end; at += BATCH) {
        const messages = []
        for (let i = at; i < Math.min(at + BATCH, end); i++) messages.push(this.record(i, Number(partitions), size))
        await producer.send({ topic, acks: -1, compression: TYPES[codec], messages })
      }
    } finally {
      await producer.disconnect()
    }
    return count
  }

  // Reading.

  async start(groupId, topic, isolation) {
    await this.leave()
    this.consumer = this.kafka.consumer({
      groupId, maxBytesPerPartition: 32768, maxBytes: 65536, maxWaitTimeInMs: 100, sessionTimeout: 10000, heartbeatInterval: 500,
      readUncommitted: isolation !== 'read_committed',
    })
    this.topic = topic
    const joined = new Promise((done) => {
      this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
        this.assigned = payload.memberAssignment[topic] ?? []
        this.waiting = this.waiting.filter((row) => this.assigned.includes(row.partition))
        for (const partition of this.next.keys()) if (!this.assigned.includes(partition)) this.next.delete(partition)
        done()
      })
    })
    await this.consumer.connect()
    await this.consumer.subscribe({ topic, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch }) => {
        if (this.dropping) return
        for (const message of batch.messages) this.waiting.push({ partition: batch.partition, message })
        this.wake?.()
      },
    })
    return joined
  }

  // kafkajs reads in a group only: one of its own, and then the places wanted.
  async assign([topic, partitions, at], { isolation }) {
    const starts = await this.places(topic, Number(partitions), at)
    const ends = await this.places(topic, Number(partitions), 'latest')
    this.dropping = true
    await this.start(`assigned-${topic}-${process.pid}-${Date.now()}`, topic, isolation)
    for (const [partition, offset] of starts) {
      this.consumer.seek({ topic, partition, offset: offset === '-1' ? ends.get(partition) : offset })
    }
    this.waiting = []
    this.dropping = false
  }

  async join([groupId, topic, assignor], { isolation }) {
    if (!['any', 'roundrobin'].includes(assignor)) throw new Cannot('kafkajs has only its round robin assignor')
    await this.start(groupId, topic, isolation)
  }

  owned() {
    return new Promise((done) => setTimeout(() => done([...this.assigned].sort((a, b) => a - b).join(' ')), 100))
  }

  async read([count, seconds, file]) {
    const deadline = Date.now() + Number(seconds) * 1000
    let seen = 0
    while (seen < Number(count)) {
      if (this.waiting.length === 0 || this.paused) {
        const left = deadline - Date.now()
        if (left <= 0) break
        await new Promise((done) => {
          this.wake = done
          setTimeout(done, Math.min(left, 200))
        })
        continue
      }
      const rows = this.waiting.splice(0, Number(count) - seen)
      for (const { partition, message } of rows) this.next.set(partition, String(BigInt(message.offset) + 1n))
      fs.appendFileSync(file, rows.map(line).join(''))
      seen += rows.length
    }
    return seen
  }

  async commit() {
    await this.consumer.commitOffsets([...this.next].map(([partition, offset]) => ({ topic: this.topic, partition, offset })))
  }

  pause() {
    this.consumer.pause([{ topic: this.topic }])
    this.paused = true
  }

  resume() {
    this.consumer.resume([{ topic: this.topic }])
    this.paused = false
  }

  async leave() {
    await this.consumer?.disconnect()
    this.consumer = undefined
    this.waiting = []
    this.next.clear()
    this.assigned = []
    this.paused = false
  }
}

function line({ partition, message }) {
  const headers = Object.entries(message.headers ?? {})
    .flatMap(([name, value]) => [].concat(value).map((one) => `${name}=${one ?? ''}`)).join(',')
  const key = message.key === null ? '-' : `=${message.key}`
  const value = message.value === null ? '-' : `=${message.value.length}:${crc32(message.value)}`
  return `${partition}\t${message.offset}\t${key}\t${value}\t${headers}\n`
}

function pairs(offsets) {
  return [...offsets].sort(([a], [b]) => a - b).map(([partition, offset]) => `${partition}=${offset}`).join(' ')
}

// The broker's number, wherever kafkajs has put it.
function code(error) {
  for (let one = error; one; one = one.cause ?? one.originalError ?? one.errors?.[0] ?? one.partitions?.[0]?.error) if (one.code > 0) return one.code
  return 'client'
}

async function obey(program, text) {
  const [verb, ...words] = text.trim().split(' ')
  const options = Object.fromEntries(words.filter((w) => w.includes('=')).map((w) => [w.slice(0, w.indexOf('=')), w.slice(w.indexOf('=') + 1)]))
  try {
    if (!(verb in program)) throw new Cannot(`no call for ${verb}`)
    return `ok ${(await program[verb](words.filter((w) => !w.includes('=')), options)) ?? ''}`
  } catch (error) {
    return error instanceof Cannot ? `cannot ${error.message}` : `error ${code(error)} ${error.name}: ${error.message}`
  }
}

async function main(bootstrap, pool) {
  plugCodecs()
  const program = new Program(bootstrap, pool)
  for await (const text of readline.createInterface({ input: process.stdin })) {
    process.stdout.write((await obey(program, text)).replace(/\s+/g, ' ').trim() + '\n')
  }
  process.exit(0)
}

main(...process.argv.slice(2))
