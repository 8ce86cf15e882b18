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
type Received = {
    event: string;
    data: string;
    id: string;
    retry: number;
};
/** Splits a stream into events (HTML Living Standard, section 9.2.6), wherever its chunks are cut. */
export declare function eventParser(): (text: string) => Received[];
/** Follows what a token's subject holds, until `close`. Reconnects by itself, and polls where streams do not get through. */
export declare function watchPermissions(options: Options): Watch;
export {};
