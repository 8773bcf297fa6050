/**
 * Optional packages that a lock file's packages name but that it does not hold: `npm ci` refuses such a file.
 * @param {{packages: Record<string, {dev?: boolean, optionalDependencies?: Record<string, string>}>}} lock
 */
export function missingOptional(lock) {
  const missing = [];
  for (const [parent, entry] of Object.entries(lock.packages))
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      const held = lock.packages[path] !== undefined || lock.packages[`${parent}/${path}`] !== undefined;
      if (!held) missing.push({ path, version, dev: entry.dev === true });
    }
  return missing;
}
