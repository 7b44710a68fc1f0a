// The official TypeScript SDK 1.x: PROGRAM URL.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Host } from './host.mjs';

const [url] = process.argv.slice(2);
const host = await Host.listen('TypeScript SDK 1');
const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: host });
let client = new Client({ name: 'interop', version: '1' });
const first = transport();
try {
  await client.connect(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await first.finishAuth((await host.answer).get('code'));
  client = new Client({ name: 'interop', version: '1' });
  await client.connect(transport());
}
console.log((await client.listTools()).tools.map((tool) => tool.name));
console.log((await client.callTool({ name: 'forecast_daily', arguments: { place: 'Tokyo', days: 1 } })).content);
process.exit(0);
