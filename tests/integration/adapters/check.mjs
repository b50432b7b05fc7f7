// Tries the adapter of docs/adapters.md, which is beside this file as alkey.mjs, with a server on the port given.
//
// What it writes to its standard output is done to the server (`kill`, `start`, `freeze`, `thaw`), and answered by a line.

import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { Alkey, connect, id } from './alkey.mjs'

const [port, resp, leaseMs] = process.argv.slice(2).map(Number)
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const server = async (what) => {
  console.log(what)
  assert.deepEqual(await answers.next(), { value: 'done', done: false })
}
const redis = connect(`redis://127.0.0.1:${port}`, { RESP: resp })
const send = (...words) => redis.sendCommand(words)
const lookUp = async () => {
  const found = await send('ALKEY.LOOKUP', user)
  assert.equal(Array.isArray(found), resp === 2, 'it is the protocol that was asked for')
  return Array.isArray(found) ? found[3] : found.settled
}

// A row, and how often it was read.
let [row, loads] = ['v0', 0]
const load = async () => (loads++, row)
const stored = new Map()
const cache = { get: async (key) => stored.get(key), set: async (key, value) => stored.set(key, value) }
const alkey = new Alkey(redis, cache, { leaseMs, timeoutMs: 3000 })

const user = id('users', 1)
const read = (since) => alkey.read([user], ['profile'], load, since)
// What `work` does for a value, how often the row was read meanwhile, and how many values were stored.
async function costs(work) {
  const before = [loads, stored.size]
  const value = await work()
  return [value, loads - before[0], stored.size - before[1]]
}
const until = async (what, condition) => {
  const deadline = performance.now() + 20_000
  let last
  while (!(last = await condition().catch((error) => (last = error, false)))) {
    assert(performance.now() < deadline, `waited in vain until ${what}: ${last}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const isSettled = async () => (await lookUp()) >= 0

// A transaction of a database in which anything may go wrong.
function transaction(value, { during = async () => {}, fails } = {}) {
  const done = []
  const commit = async () => {
    await during()
    row = value
    done.push('commit')
    if (fails) throw fails
  }
  return { done, commit, rollback: async () => done.push('rollback') }
}
const change = async (changes) => void changes.add(user)
async function isRolledBack(error, by = alkey) {
  const refused = transaction('never')
  await assert.rejects(by.write(refused, change), error)
  assert.deepEqual(refused.done, ['rollback'])
}

await until('grace is over', isSettled)
assert.deepEqual(await costs(read), ['v0', 1, 1], 'a miss is loaded and stored')
assert.deepEqual(await costs(read), ['v0', 0, 0], 'a hit is not')
assert.equal(await alkey.read([], ['menu'], async () => 'nothing'), 'nothing')
const before = performance.now() - 1000
assert.equal(await alkey.read([], ['menu'], load, before), 'nothing', 'what depends on nothing is always settled')

// While the row is in flight it is read from the database, however long COMMIT hangs.
let during
const hangs = async () => {
  const until = performance.now() + 3 * leaseMs
  do during = await costs(read)
  while (during[1] === 1 && during[2] === 0 && performance.now() < until)
}
const slow = transaction('v1', { during: hangs })
await alkey.write(slow, change)
assert.deepEqual(slow.done, ['commit'])
assert.deepEqual(during, ['v0', 1, 0], 'what is in flight is loaded and not stored')
assert.deepEqual(await costs(read), ['v1', 1, 1], 'after COMMIT it is another key')

// A snapshot from before the change is not stored, a later one is.
const since = performance.now()
await alkey.write(transaction('v2'), change)
assert.deepEqual(await costs(() => read(since)), ['v2', 1, 0], 'older data is not stored')
await until('the change is older', async () => (await lookUp()) >= 50)
assert.deepEqual(await costs(() => read(performance.now())), ['v2', 1, 1], 'younger data is')

// A transaction that fails is rolled back, and changes no key.
const failed = transaction('never')
await assert.rejects(alkey.write(failed, async (changes) => { changes.add(user); throw new Error('no') }), /no/)
assert.deepEqual(failed.done, ['rollback'])
assert.deepEqual(await costs(read), ['v2', 0, 0], 'nothing changed')

// So is one that can't be recorded, or whose answer comes late.
await send('CONFIG', 'SET', 'maxmemory', '1')
await isRolledBack(/^Error: ALKEY\.RECORD failed: OOM/)
await send('CONFIG', 'SET', 'maxmemory', '0')
const busy = async (call) => {
  const reply = await redis.sendCommand(call)
  const end = performance.now() + leaseMs / 2
  while (call[0] === 'ALKEY.RECORD' && performance.now() < end);
  return reply
}
await isRolledBack(/too late/, new Alkey({ sendCommand: busy }, cache, { leaseMs }))

// One of which nobody knows what became of it is in flight until the lease is over, and then counts as committed.
await assert.rejects(alkey.write(transaction('v3', { fails: new Error('connection lost') }), change), /lost/)
assert.deepEqual(await costs(read), ['v3', 1, 0], 'the database may decide yet')
await until('the lease is over', isSettled)
assert.deepEqual(await costs(read), ['v3', 1, 1], 'it counts as committed')

// One that changes nothing tells nobody, and none was forgotten.
await alkey.write(transaction('v3'), async () => {})
assert.deepEqual(await send('ALKEY.PENDING'), [])

// The server dies while the database commits: the write is done, and from then on it is as without a cache.
const bereft = transaction('v4', { during: () => server('kill') })
await alkey.write(bereft, change)
assert.deepEqual(bereft.done, ['commit'])
assert.deepEqual(await costs(read), ['v4', 1, 0], 'without a server it is loaded and not stored')
await isRolledBack(/^Error: ALKEY\.RECORD failed: (?!no answer)/)

// It comes back, and so does the cache, with what was written meanwhile.
await server('start')
await until('the new server is settled', isSettled)
assert.deepEqual(await costs(read), ['v4', 1, 1], 'all keys are others')
assert.deepEqual(await costs(read), ['v4', 0, 0])
await alkey.write(transaction('v5'), change)
assert.deepEqual(await costs(read), ['v5', 1, 1])

// A server that hangs is waited for a moment.
await server('freeze')
const impatient = new Alkey(redis, cache, { leaseMs, timeoutMs: 100 })
const value = await costs(() => impatient.read([user], ['profile'], load))
assert.deepEqual(value, ['v5', 1, 0], 'without an answer it is loaded and not stored')
await isRolledBack(/^Error: ALKEY\.RECORD failed: no answer in 100 ms/, impatient)
await server('thaw')
await until('what was rolled back is discarded', async () => (await send('ALKEY.PENDING')).length === 0)
assert.deepEqual(await costs(read), ['v5', 0, 0], 'nothing changed')

redis.destroy()
console.error('the adapter does what it says')
process.exit()
