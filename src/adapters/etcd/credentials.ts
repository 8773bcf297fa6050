import { isIP, type Socket } from "node:net";
import { checkServerIdentity, connect, createSecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import { limits } from "./limits.ts";

/** PEM texts: the cluster's CA, this host's certificate and its key. */
export type TlsTexts = { readonly ca: string; readonly cert: string; readonly key: string };

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/**
 * Mutual TLS for one address, with a bound on the handshake. The library's own credentials keep a half-open socket for
 * ever where a member is frozen (its kernel accepts, nobody answers), and set a server name where the host is an address,
 * which Node warns of.
 */
class BoundedTls extends ChannelCredentials {
  readonly #context: ReturnType<typeof createSecureContext>;
  readonly #host: string;

  constructor(tls: TlsTexts, host: string) {
    super();
    this.#context = createSecureContext({ ...tls, minVersion: "TLSv1.2" });
    this.#host = host;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): Connector {
    return {
      connect: (socket) => handshake(socket, this.#context, this.#host),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }
}

function handshake(socket: Socket, secureContext: ReturnType<typeof createSecureContext>, host: string) {
  return new Promise<{ socket: Socket; secure: boolean }>((resolve, reject) => {
    const secure = connect({
      socket,
      secureContext,
      ALPNProtocols: ["h2"],
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    });
    const timer = setTimeout(() => {
      const error = new Error(`No TLS handshake within ${limits.handshakeMs} ms`);
      secure.destroy(error);
      socket.destroy();
      reject(error);
    }, limits.handshakeMs);
    timer.unref();
    secure.once("secureConnect", () => {
      clearTimeout(timer);
      resolve({ socket: secure, secure: true });
    });
    secure.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    secure.once("close", () => {
      clearTimeout(timer);
      reject(new Error("The connection was closed during the TLS handshake"));
    });
  });
}

/** `host`: the address or name in the member's certificate. Throws where a PEM text is none. */
export function boundedTls(tls: TlsTexts, host: string): ChannelCredentials {
  return new BoundedTls(tls, host);
}
