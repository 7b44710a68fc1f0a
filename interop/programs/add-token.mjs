// Preloaded into the conformance suite, which cannot send a token by itself: adds one to every request that it makes.
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { Agent, setGlobalDispatcher } from 'undici';

const authorization = `Bearer ${process.env.INTEROP_TOKEN}`;
for (const module of [http, https]) {
  const request = module.request;
  module.request = (...parameters) => {
    const sent = request.apply(module, parameters);
    sent.setHeader('Authorization', authorization);
    return sent;
  };
}
setGlobalDispatcher(new Agent().compose((dispatch) => (options, handler) => {
  const headers = Array.isArray(options.headers)
    ? [...options.headers, 'authorization', authorization]
    : { ...Object.fromEntries(options.headers?.entries?.() ?? Object.entries(options.headers ?? {})), authorization };
  return dispatch({ ...options, headers }, handler);
}));
