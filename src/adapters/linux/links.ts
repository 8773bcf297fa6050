import { connect } from "node:net";
import type { Links } from "../../ports/links.ts";

/**
 * SSH, and two beside those at which guests come in, which nobody must touch: the second one lies among those that a firewall
 * for moves lets through, and nobody listens there.
 */
const linkPorts = [22, 49_151, 49_215] as const;
const linkMs = 1_000;

export function openLinks(): Links {
  return {
    answering: (addresses, done) => void answering(addresses, { ports: linkPorts, limitMs: linkMs }).then(done),
  };
}

/** Of a host that is up, and that is reached, at least one of its ports answers, or says that nobody listens there. */
export async function answering(
  addresses: readonly string[],
  { ports, limitMs }: { readonly ports: readonly number[]; readonly limitMs: number },
): Promise<readonly string[]> {
  const answers = async (address: string): Promise<boolean> =>
    (await Promise.all(ports.map((port) => knock(address, port, limitMs)))).includes(true);
  const found = await Promise.all(addresses.map(answers));
  return addresses.filter((_, i) => found[i]);
}

function knock(address: string, port: number, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(limitMs, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED"));
  });
}
