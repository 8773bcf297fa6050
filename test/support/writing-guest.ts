import { openTestLab, type TestLab, type TestVm } from "./lab-cluster.ts";
import { type Writer, writeNumbers } from "./lab-writer.ts";

/** A lab with a VM `web` whose guest takes numbers from a client and writes them, as most tests of what befalls a VM begin. */
export type WritingGuest = {
  readonly lab: TestLab;
  readonly web: TestVm;
  readonly writer: Writer;
  close(): Promise<void>;
};

type Wanted = {
  /** The client's name, in what it writes. */
  readonly client: string;
  /** Where its disk lies; default: where all hosts see it. */
  readonly pool?: string;
  /** Before anything is written. */
  readonly prepare?: (lab: TestLab, web: TestVm) => Promise<void> | void;
};

export async function openWritingGuest({ client, pool, prepare }: Wanted): Promise<WritingGuest> {
  const lab = await openTestLab();
  try {
    const web = pool === undefined ? await lab.guest("web", 50) : await lab.guest("web", 50, 100, pool);
    await prepare?.(lab, web);
    const writer = writeNumbers(lab.world.reach, web.address, client);
    await writer.goesOn();
    const close = async (): Promise<void> => {
      await writer.stop();
      await lab.close();
    };
    return { lab, web, writer, close };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** How often it has booted as it says itself, which boots wrote to its disk, and what was acknowledged and is not there. */
export async function lifeOf({ web, writer }: WritingGuest) {
  await writer.goesOn();
  const { boots } = await web.answers();
  const wrote = [...new Set(web.disk().records.map(({ boot }) => boot))];
  return { boots, wrote, lost: writer.lost(web.disk) };
}

/** The same life since that boot: no other began, and every acknowledged write is there. */
export const oneLife = (boots: number) => ({ boots, wrote: [boots], lost: [] });
