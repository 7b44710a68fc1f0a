// The official TypeScript SDK 2.x: PROGRAM URL MODE [CLIENT_METADATA_URL].
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Host } from './host.mjs';

const [url, mode, clientMetadataUrl] = process.argv.slice(2);
const host = await Host.listen('TypeScript SDK 2', clientMetadataUrl);
const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: host });
const connect = async (over) => {
  const client = new Client({ name: 'interop', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(over);
  return client;
};
const first = transport();
let client;
try {
  client = await connect(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await first.finishAuth(await host.answer);
  client = await connect(transport());
}
console.log((await client.listTools()).tools.map((tool) => tool.name));
console.log((await client.callTool({ name: 'forecast_daily', arguments: { place: 'Tokyo', days: 1 } })).content);
process.exit(0);
