/** What to do about a difference between a token and what its subject holds now. */
export type Remediation = 'none' | 'refresh' | 'reconsent' | 'request_scope' | 'authenticate' | 'retry';

/** What the token and its subject hold, of the scopes that the feed names. Each state is complete. */
export interface Permissions {
  token: string[];
  held: string[];
  /** Scopes of the token that the subject no longer holds, and scopes that the subject holds and the token lacks. */
  lost: string[];
  gained: string[];
  remediation: Remediation;
  /** When the token expires, in seconds since the Unix epoch. */
  expires_at: number;
  /** Whether the token passes each route that was asked for; `null` where that cannot be said beforehand. */
  may?: Record<string, boolean | null>;
}

/** Why the server rejected a token, or ended a feed. */
export interface Ended {
  reason: string;
  remediation: Remediation;
}

export interface Options {
  /** Where the API tells the permissions of a token: `https://api.example.com/orgs/acme/permissions`. */
  url: string;
  /** Returns the access token, new or cached: `() => logto.getOrganizationToken(id)` for instance. */
  getToken: () => Promise<string>;
  /** Called once for each difference and token. After `refresh` and `request_scope`, `getToken` is called again. */
  on: Partial<Record<Remediation, (cause: Permissions | Ended) => void | Promise<void>>>;
  /** Called with every state: show and hide buttons here. */
  onState?: (permissions: Permissions) => void;
  /** Called while the API cannot say what the subject holds. */
  onUndecided?: () => void;
  /** Called when a token was rejected, or a feed ended. */
  onEnd?: (ended: Ended) => void;
  /** Called with whatever failed on the way, a callback of `on` too; the next attempt follows by itself. */
  onError?: (error: unknown) => void;
  /** Routes to learn about: `POST /orgs/acme/orders`. */
  may?: string[];
  /** Milliseconds: the delays between attempts, how long a stream may be silent, and how often to poll without streams. */
  minDelay?: number;
  maxDelay?: number;
  silence?: number;
  pollEvery?: number;
  fetch?: typeof fetch;
}

export interface Watch {
  /** Asks for a token and connects again: after a sign-in. */
  reconnect(): void;
  close(): void;
}

type Received = { event: string; data: string; id: string; retry: number };
const [MOST_TEXT, MOST_DELAY] = [256 * 1024, 3_600_000];
/** Tokens that are shown at once, one after the other: at the third that changes nothing, the API says something else. */
const RENEWALS = 3;
/** Streams without a byte before the client polls, and how often it polls before it tries a stream again. */
const [SILENT_STREAMS, POLLS] = [2, 20];

/** Splits a stream into events (HTML Living Standard, section 9.2.6), wherever its chunks are cut. */
export function eventParser(): (text: string) => Received[] {
  let [rest, data, event, id, retry] = ['', [] as string[], '', '', 0];
  return (text) => {
    const received: Received[] = [];
    const lines = (rest + text).split(/\r\n|\n|\r(?!\n|$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, field, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (line === '') {
        if (data.length > 0) received.push({ event: event || 'message', data: data.join('\n'), id, retry });
        [data, event] = [[], ''];
      } else if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      else if (field === 'id' && !value.includes('\0')) id = value;
      else if (field === 'retry' && /^\d+$/.test(value)) retry = Number(value);
    }
    if (rest.length + data.join().length > MOST_TEXT) throw new Error('an event is too long');
    return received;
  };
}

/** Follows what a token's subject holds, until `close`. Reconnects by itself, and polls where streams do not get through. */
export function watchPermissions(options: Options): Watch {
  const { minDelay = 1000, maxDelay = 60_000, silence = 45_000, pollEvery = 30_000, fetch: send = fetch } = options;
  let [closed, failures, renewals, silent, polls] = [false, 0, 0, 0, 0];
  /** The last token, the last state that came for it, and what the application was told about it. */
  let [token, id, told, attempt] = ['', '', '', new AbortController()];
  const spread = (delay: number) => delay * (0.5 + Math.random() / 2);
  const backOff = (attempts: number) => spread(Math.min(maxDelay, minDelay * 2 ** Math.min(attempts, 16)));
  const fail = (atLeast = 0) => Math.max(Math.min(atLeast, MOST_DELAY), backOff(failures++));
  const sleep = (delay: number, signal: AbortSignal) =>
    new Promise<void>((done) => {
      const timer = delay === Infinity ? undefined : setTimeout(done, delay);
      signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
    });

  /** Has the application act, once for each difference and token, again if it fails. The delay before the next connection. */
  const act = async (cause: Permissions | Ended): Promise<number | undefined> => {
    const { remediation } = cause;
    const differs = 'reason' in cause || cause.lost.length + cause.gained.length > 0;
    const key = differs ? JSON.stringify([token, remediation, 'reason' in cause || [cause.lost, cause.gained]]) : '';
    if (key === told) return undefined;
    told = key;
    if (!differs) return void (renewals = 0);
    const forget = (error: unknown) => (([told, id] = ['', '']), Promise.reject(error));
    await (async () => options.on[remediation]?.(cause))().catch(forget);
    if (remediation !== 'refresh' && remediation !== 'request_scope') return undefined;
    return renewals++ < RENEWALS ? 0 : backOff(renewals - RENEWALS);
  };

  /** After the last words of a connection. Where a person must act, `reconnect` ends the wait. */
  const end = async (ended: Ended, retry: number): Promise<number> => {
    options.onEnd?.(ended);
    const delay = await act(ended);
    return delay ?? (['refresh', 'request_scope', 'retry'].includes(ended.remediation) ? fail(retry) : Infinity);
  };

  const hear = async ({ event, data, id: latest, retry }: Received): Promise<number | undefined> => {
    const said = JSON.parse(data);
    if (event === 'end') return end(said, spread(retry));
    if (event === 'undecided') return void options.onUndecided?.();
    if (event !== 'state' && event !== 'change') return undefined;
    id = latest;
    options.onState?.(said);
    return act(said);
  };

  const read = async (body: ReadableStream<Uint8Array>, heard: () => void): Promise<number> => {
    const [reader, decoder, parse] = [body.getReader(), new TextDecoder(), eventParser()];
    let retry = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return fail(spread(retry));
        heard();
        silent = 0;
        for (const received of parse(decoder.decode(value, { stream: true }))) {
          retry = received.retry;
          const delay = await hear(received);
          if (delay !== undefined) return delay;
        }
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  };

  /** One connection, or one question. The delay before the next. */
  const connect = async (signal: AbortSignal, heard: () => void): Promise<number> => {
    const current = await options.getToken();
    if (current !== token) [token, id] = [current, ''];
    const streams = silent < SILENT_STREAMS;
    if (streams) silent++;
    else if (++polls > POLLS) [silent, polls] = [SILENT_STREAMS - 1, 0];
    const query = (options.may ?? []).map((route) => `may=${encodeURIComponent(route)}`).join('&');
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (streams) headers['accept'] = 'text/event-stream';
    if (id) headers[streams ? 'last-event-id' : 'if-none-match'] = streams ? id : `"${id}"`;
    const url = `${options.url}${streams ? '/events' : ''}${query && `?${query}`}`;
    const response = await send(url, { headers, signal, cache: 'no-store' });
    heard();
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') && response.body;
    if (streams && response.ok && isStream) return read(response.body, heard);
    const retry = Number(response.headers.get('retry-after')) * 1000 || 0;
    const said = await response.json().catch(() => ({}));
    if (!streams && (response.ok || response.status === 304)) {
      failures = 0;
      const tag = response.headers.get('etag')?.replace(/^(W\/)?"|"$/g, '') ?? '';
      const event = said.status === 'undecided' ? 'undecided' : 'state';
      const delay = response.ok ? await hear({ event, data: JSON.stringify(said), id: tag, retry: 0 }) : undefined;
      return delay ?? Math.max(Math.min(retry, MOST_DELAY), spread(pollEvery));
    }
    if (streams && (response.ok || [404, 405, 406, 501].includes(response.status))) return (silent = SILENT_STREAMS), 0;
    if (streams) silent--;
    const { remediation, error, title } = said;
    return remediation && remediation !== 'retry' ? end({ reason: error ?? title, remediation }, retry) : fail(retry);
  };

  void (async () => {
    while (!closed) {
      const { signal } = (attempt = new AbortController());
      let timer: ReturnType<typeof setTimeout> | undefined;
      const heard = () => (clearTimeout(timer), (timer = setTimeout(() => attempt.abort(new Error('silence')), silence)));
      const began = Date.now();
      heard();
      const delay = await connect(signal, heard).catch((error) => {
        if (!signal.aborted || signal.reason instanceof Error) options.onError?.(error);
        return fail();
      });
      clearTimeout(timer);
      if (Date.now() - began > 10 * minDelay) failures = 0;
      if (!closed && !(signal.aborted && signal.reason === 'again')) await sleep(delay, (attempt = new AbortController()).signal);
    }
  })();
  const reconnect = () => ([renewals, told] = [0, ''], attempt.abort('again'));
  return { reconnect, close: () => ((closed = true), attempt.abort('closed')) };
}
