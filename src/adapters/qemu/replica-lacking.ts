import { z } from "zod";
import type { CopyProgress } from "../../ports/replication.ts";
import type { Qmp } from "./qmp.ts";
import type { MirrorJob } from "./replica-job.ts";

const mebibyte = 1024 * 1024;

const nodesSchema = z.array(
  z.object({
    "dirty-bitmaps": z.array(z.object({ name: z.string().optional(), count: z.number() })).optional(),
  }),
);

/** A look at all nodes of a QEMU costs it more than one at its jobs. */
const lackingMs = 2_000;

/** `lackingAt`: the next look, in this process's milliseconds; null: its guest does not go on without its copies. */
type Alone = { lackingAt: number | null };

export async function tellLacking(
  attached: Alone,
  qmp: Qmp,
  jobs: readonly Pick<MirrorJob, "len">[],
  tell: (progress: CopyProgress) => void,
): Promise<void> {
  if (attached.lackingAt === null || performance.now() < attached.lackingAt) return;
  attached.lackingAt = performance.now() + lackingMs;
  const totalBytes = jobs.reduce((sum, { len }) => sum + len, 0);
  const progress = await lackingNow(qmp, totalBytes);
  if (progress !== undefined && attached.lackingAt !== null) tell(progress);
}

/**
 * What the copies of a run lack while it goes on without them. Its jobs stand still then, and do not count; what they noted does: each
 * block that the relay refused is in the bitmap of its mirror (S16). Undefined: QEMU does not say.
 */
async function lackingNow(qmp: Qmp, totalBytes: number): Promise<CopyProgress | undefined> {
  const end = await qmp.execute("query-named-block-nodes", { flat: true });
  const parsed = end.kind === "done" ? nodesSchema.safeParse(end.value) : undefined;
  if (parsed?.success !== true) return undefined;
  // Those of cycles bear names; a mirror's has none, and lies with the disk.
  const noted = parsed.data.flatMap((node) => node["dirty-bitmaps"] ?? []).filter(({ name }) => name === undefined);
  const bytes = noted.reduce((sum, { count }) => sum + count, 0);
  const share = totalBytes === 0 ? 1 : Math.max(0, 1 - bytes / totalBytes);
  return {
    percent: bytes === 0 ? 100 : Math.min(99, Math.floor(share * 100)),
    remainingMiB: Math.ceil((bytes / mebibyte) * 10) / 10,
    mibPerSecond: 0,
  };
}
