/** What has to be gone before this process may end: copies of the tree, and the processes that play in them. */
const open = new Set<() => Promise<void> | void>();

/** `close` runs if the hunt is broken off; call what this returns once there is nothing left to close. */
export function closeIfBrokenOff(close: () => Promise<void> | void): () => void {
  open.add(close);
  return () => void open.delete(close);
}

export async function closeAll(): Promise<void> {
  await Promise.allSettled([...open].map(async (close) => close()));
}
