// Tries the adapter of docs/adapters.md, which is beside this file as alkey.mjs, with a server on the port given.

import assert from 'node:assert/strict'
import { createClient } from 'redis'
import { Alkey, id } from './alkey.mjs'

const [port, leaseMs] = process.argv.slice(2).map(Number)
const redis = createClient({ url: `redis://127.0.0.1:${port}`, disableOfflineQueue: true })
redis.on('error', () => {})
await redis.connect()
const send = (...words) => redis.sendCommand(words)

// A row, and how often it was read.
let [row, loads] = ['v0', 0]
const load = async () => (loads++, row)
const stored = new Map()
const cache = { get: async (key) => stored.get(key), set: async (key, value) => stored.set(key, value) }
const alkey = new Alkey(redis, cache, leaseMs)

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
  while (!(await condition())) {
    assert(performance.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const settled = async () => (await send('ALKEY.LOOKUP', user))[3]

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

await until('grace is over', async () => (await settled()) >= 0)
assert.deepEqual(await costs(read), ['v0', 1, 1], 'a miss is loaded and stored')
assert.deepEqual(await costs(read), ['v0', 0, 0], 'a hit is not')

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
await until('the change is older', async () => (await settled()) >= 50)
assert.deepEqual(await costs(() => read(performance.now())), ['v2', 1, 1], 'younger data is')

// A transaction that fails is rolled back, and changes no key.
const failed = transaction('never')
await assert.rejects(alkey.write(failed, async (changes) => { changes.add(user); throw new Error('no') }), /no/)
assert.deepEqual(failed.done, ['rollback'])
assert.deepEqual(await costs(read), ['v2', 0, 0], 'nothing changed')

// So is one that can't be recorded.
await send('CONFIG', 'SET', 'maxmemory', '1')
const unrecorded = transaction('never')
await assert.rejects(alkey.write(unrecorded, change), /OOM/)
assert.deepEqual(unrecorded.done, ['rollback'])
await send('CONFIG', 'SET', 'maxmemory', '0')

// One of which nobody knows what became of it is in flight until the lease is over, and then counts as committed.
await assert.rejects(alkey.write(transaction('v3', { fails: new Error('connection lost') }), change), /lost/)
assert.deepEqual(await costs(read), ['v3', 1, 0], 'the database may decide yet')
await until('the lease is over', async () => (await settled()) >= 0)
assert.deepEqual(await costs(read), ['v3', 1, 1], 'it counts as committed')

// One that changes nothing tells nobody, and none was forgotten.
await alkey.write(transaction('v3'), async () => {})
assert.deepEqual(await send('ALKEY.PENDING'), [])

// Without a server it is as without a cache.
redis.destroy()
assert.deepEqual(await costs(read), ['v3', 1, 0], 'without an answer it is loaded and not stored')
const alone = transaction('never')
await assert.rejects(alkey.write(alone, change))
assert.deepEqual(alone.done, ['rollback'])
console.log('the adapter does what it says')
