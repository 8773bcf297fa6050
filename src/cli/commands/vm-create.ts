import type { VmCreateInput } from "../../api/contract/vm.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group } from "../program.ts";
import { fail } from "../trouble.ts";

const specExample = `
Spec file (YAML):
  name: web
  cpus: 1
  memoryMiB: 512
  disks:
    - pool: shared
      sizeMiB: 2048
  networks: [lan]`;

export function vmCreateCommand(vm: Parameters<Group>[0], cli: Cli): void {
  vm.command("create")
    .description("define a VM; it is not started")
    .option("--name <name>", "letters, digits and hyphens")
    .option("--cpus <n>", "virtual CPUs (default: 1)", wholeNumber)
    .option("--memory <MiB>", "memory", wholeNumber)
    .option("--pool <pool>", "where its disks lie: name or id")
    .option("--disk <MiB...>", "size of a disk; may be given several times")
    .option("--format <format>", "raw or qcow2 (default: qcow2)")
    .option("--network <network...>", "a network card on this network; may be given several times")
    .option("--kernel <path>", "boot this kernel, which lies on every host, instead of the first disk")
    .option("--initrd <path>", "the kernel's initial ramdisk")
    .option("--append <text>", "the kernel's command line; {epoch} becomes the VM's epoch")
    .option(
      "--cpu-model <model>",
      "what the guest sees: host, a model of QEMU, or compatible: the best that all its hosts can run (default: qemu64, which every host has)",
    )
    .option("--guest-agent", "the guest runs the QEMU guest agent")
    .option("--file <spec>", "a YAML file; options given beside it win")
    .option("--json", "print the answer as JSON")
    .addHelpText(
      "after",
      `${examples("holdfast vm create --name web --cpus 1 --memory 512 --pool shared --disk 2048 --network lan", "holdfast vm create --file web.yaml")}\n${specExample}`,
    )
    .action(async (options) => {
      const spec = options.file === undefined ? {} : (await import("../spec-file.ts")).readSpecFile(options.file);
      const input = inputFrom(spec, options);
      const answer = await (await cli.session()).change((client, requestId) =>
        client.vm.create({ ...input, requestId }),
      );
      if (options.json === true) cli.json(answer);
      else cli.io.out(`${answer.name} was created as ${answer.id}. Start it with: holdfast vm start ${answer.name}\n`);
    });
}

type Options = {
  readonly name?: string;
  readonly cpus?: number;
  readonly memory?: number;
  readonly pool?: string;
  readonly disk?: readonly string[];
  readonly format?: string;
  readonly network?: string[];
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly cpuModel?: string;
  readonly guestAgent?: true;
};

function inputFrom(spec: Partial<VmCreateInput>, options: Options): VmCreateInput {
  const name = options.name ?? spec.name;
  const memoryMiB = options.memory ?? spec.memoryMiB;
  if (name === undefined) throw fail("option-missing", { option: "--name" }, 2);
  if (memoryMiB === undefined) throw fail("option-missing", { option: "--memory" }, 2);
  const disks = disksFrom(options);
  const kernel = kernelFrom(options);
  return {
    ...spec,
    name,
    memoryMiB,
    cpus: options.cpus ?? spec.cpus ?? 1,
    ...(options.cpuModel === undefined ? {} : { cpuModel: options.cpuModel }),
    ...(options.guestAgent === undefined ? {} : { guestAgent: true }),
    ...(options.network === undefined ? {} : { networks: options.network }),
    ...(disks === undefined ? {} : { disks }),
    ...(kernel === undefined ? {} : { kernel }),
  };
}

function disksFrom({ pool, disk, format = "qcow2" }: Options): VmCreateInput["disks"] {
  if (disk === undefined && pool === undefined) return undefined;
  if (disk === undefined) throw fail("options-belong-together", { option: "--pool", other: "--disk" }, 2);
  if (pool === undefined) throw fail("options-belong-together", { option: "--disk", other: "--pool" }, 2);
  if (format !== "raw" && format !== "qcow2") throw fail("option-needs-format", { value: format }, 2);
  return disk.map((text) => {
    if (!/^\d{1,15}$/u.test(text)) throw fail("option-needs-number", { value: text }, 2);
    return { pool, sizeMiB: Number(text), format };
  });
}

function kernelFrom({ kernel, initrd, append = "" }: Options): VmCreateInput["kernel"] | undefined {
  if (kernel === undefined && initrd === undefined) return undefined;
  if (initrd === undefined) throw fail("options-belong-together", { option: "--kernel", other: "--initrd" }, 2);
  if (kernel === undefined) throw fail("options-belong-together", { option: "--initrd", other: "--kernel" }, 2);
  return { path: kernel, initrd, append };
}
