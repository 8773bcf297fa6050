import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** `fetch` over a unix socket: Node's own cannot. Answers that are streams are handed on while they come. */
export async function socketFetch(socket: string, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
  const headers = Object.fromEntries(request.headers);
  const message = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = httpRequest({
      socketPath: socket,
      path: pathname + search,
      method: request.method,
      headers: body === undefined ? headers : { ...headers, "content-length": body.byteLength },
      signal: request.signal,
    });
    sent.once("response", resolve);
    sent.once("error", reject);
    sent.end(body);
  });
  const status = message.statusCode ?? 502;
  const empty = status === 204 || status === 304;
  const answerHeaders = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) answerHeaders.append(name, one);
  }
  // Node's and the platform's types of the same stream differ in name only.
  const stream = Readable.toWeb(message) as unknown as ReadableStream<Uint8Array>;
  return new Response(empty ? null : stream, { status, headers: answerHeaders });
}
