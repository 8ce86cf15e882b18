import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventParser } from '../dist/permissions.js';

const text = ': comment\r\nid: 1\r\nevent: state\r\ndata: {"a":\r\ndata:1}\r\n\r\nretry: 20\rdata:  two\r\rid: \n' +
  'event: x\n\nid: 3\ndata\ndata: é\n\nretry: no\nunknown: 1\ndata: last\n\n';
const expected = [
  { event: 'state', data: '{"a":\n1}', id: '1', retry: 0 },
  { event: 'message', data: ' two', id: '1', retry: 20 },
  { event: 'message', data: '\né', id: '3', retry: 20 },
  { event: 'message', data: 'last', id: '3', retry: 20 },
];

test('events are the same wherever the stream is cut in three', () => {
  for (let first = 0; first <= text.length; first += 1) {
    for (let second = first; second <= text.length; second += 1) {
      const parse = eventParser();
      const cut = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      assert.deepEqual(cut.flatMap((part) => parse(part)), expected, `${first} ${second}`);
    }
  }
});

test('an event that does not end is bounded', () => {
  const parse = eventParser();
  assert.throws(() => {
    for (let line = 0; line < 20; line += 1) parse(`data: ${'x'.repeat(20_000)}\n`);
  }, /too long/);
});
