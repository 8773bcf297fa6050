import type { Catalogue } from "./message.ts";

/** What the command itself, the API's socket and this host's own files can run into. */
export const clientMessages = {
  "daemon-not-answering": {
    cause: "Nothing answers at {socket} ({cause}).",
    effect: "Nothing was asked and nothing was changed. VMs run on without this.",
    remedy:
      "Start holdfastd on this host or a test cluster (`npm run lab`), or name a host's socket with --socket or HOLDFAST_SOCKET.",
  },
  "socket-forbidden": {
    cause: "The socket {socket} may not be opened by this user.",
    effect: "Nothing was asked and nothing was changed.",
    remedy: "Run the command as root.",
  },
  "daemon-broke-off": {
    cause: "The daemon at {socket} ended the connection ({cause}).",
    effect: "The answer is not known. What was asked may have been done.",
    remedy: "Look at the present state, then ask again if need be.",
  },
  "daemon-failed": {
    cause: "The daemon could not answer because of a mistake of its own ({cause}).",
    effect: "What was asked may or may not have been done.",
    remedy: "See the daemon's log on that host, and report it.",
  },
  "command-not-understood": {
    cause: "The command was not understood: {words}",
    effect: "Nothing was asked.",
    remedy: "See the same command with --help.",
  },
  "option-missing": {
    cause: "The option {option} is missing.",
    effect: "Nothing was asked.",
    remedy: "Give it; --help of the command has examples.",
  },
  "option-needs-format": {
    cause: "{value} is not a format of disks.",
    effect: "Nothing was asked.",
    remedy: "Give raw or qcow2.",
  },
  "option-needs-number": {
    cause: "{value} is not a whole number.",
    effect: "Nothing was asked.",
    remedy: "Give a whole number, without a unit.",
  },
  "options-belong-together": {
    cause: "{option} was given without {other}.",
    effect: "Nothing was asked.",
    remedy: "Give both or neither.",
  },
  "options-need-another": {
    cause: "{option} was given without {other}.",
    effect: "Nothing was asked: it means nothing alone.",
    remedy: "Give {other} as well, or leave {option} out.",
  },
  "options-contradict": {
    cause: "{option} and {other} were both given.",
    effect: "Nothing was asked: they contradict each other.",
    remedy: "Give one of them; see --help.",
  },
  "option-needs-host": {
    cause: "{value} is not a host with a priority.",
    effect: "Nothing was asked.",
    remedy: "Give HOST or HOST:PRIORITY with a whole number up to 1000, for instance h1:2.",
  },
  "spec-file-unreadable": {
    cause: "The spec file {file} cannot be read ({cause}).",
    effect: "No VM was created.",
    remedy: "Name a file that exists and may be read.",
  },
  "spec-file-broken": {
    cause: "{file}, line {line}, column {column}: {problem}",
    effect: "No VM was created.",
    remedy: "Correct the file at that place; `holdfast vm create --help` shows an example.",
  },
  "simulation-broken-off": {
    cause: "Playing {file} was broken off.",
    effect: "There is no result.",
    remedy: "Run it again and let it come to its end.",
  },
  "scenario-file-unreadable": {
    cause: "The scenario file {file} cannot be read ({cause}).",
    effect: "Nothing was played.",
    remedy: "Name a file that exists and may be read.",
  },
  "scenario-file-broken": {
    cause: "{file}, at {path}: {problem}",
    effect: "Nothing was played.",
    remedy: "Correct the file at that place; the format is ha-scenario/1.",
  },
  "maintenance-not-done": {
    cause: "After {seconds} s {left VM has|VMs have} not left {host} yet.",
    effect: "The host stays in maintenance: they leave as soon as they can.",
    remedy: "See what keeps them: `holdfast host show {host}`, then `holdfast explain VM`.",
  },
  "maintenance-ended-meanwhile": {
    cause: "{host} was released; of its VMs {left} had not left it by then.",
    effect: "They stay, or come back; moves that had not changed hands were called off.",
    remedy: "`holdfast host maintenance {host}` begins anew.",
  },
  "daemon-answer-not-understood": {
    cause: "This command does not understand the answer of the daemon, which calls its version {version} ({cause}).",
    effect: "Nothing is shown. A change that was asked for may have been made.",
    remedy:
      "Bring the command and the daemon to one version: a daemon that was updated runs as before until holdfastd is restarted, which no VM notices. `--json` shows answers as they come.",
  },
  "task-still-open": {
    cause: "VM {vm} has not come to the end of it within {seconds} s.",
    effect: "It goes on in the background as task {task}.",
    remedy:
      "`holdfast task list` shows how far it is, `holdfast explain {vm}` what it waits for. A move is called off by `holdfast vm cancel-move {vm}`.",
  },
  "start-still-waits": {
    cause: "VM {vm} is not started as long as this is so: {why}",
    effect: "It stays wanted as task {task}, and is started by itself as soon as a host takes it.",
    remedy:
      "Mend what is said there; `holdfast explain {vm}` shows what was decided about it. `holdfast vm stop {vm}` takes the wish back.",
  },
  "task-not-awaited": {
    cause: "Waiting for VM {vm} was broken off.",
    effect: "Nothing was called off: it goes on in the background as task {task}.",
    remedy:
      "`holdfast task list` shows how far it is, `holdfast explain {vm}` what it waits for. A move is called off by `holdfast vm cancel-move {vm}`.",
  },
  "maintenance-not-awaited": {
    cause: "Waiting for {host} to be empty was broken off; {left VM has|VMs have} not left it yet.",
    effect: "The host stays in maintenance: they leave as soon as they can.",
    remedy: "`holdfast task list` shows how far they are. `holdfast host release {host}` ends the maintenance.",
  },
  "task-lost": {
    cause: "The daemon stopped telling of task {task} before its end.",
    effect: "The task goes on without this command.",
    remedy: "See `holdfast vm show {vm}` for the VM's state.",
  },
  "lab-not-running": {
    cause: "No lab runs on this machine.",
    effect: "Nothing was asked and nothing was changed.",
    remedy: "Start one with `npm run lab`.",
  },
  "lab-unknown": {
    cause: "No lab {run} is running on this machine; running are: {runs}.",
    effect: "Nothing was asked and nothing was changed.",
    remedy:
      "Name a running one with HOLDFAST_LAB (its run id, its folder or its lab.sock), or start one with `npm run lab`.",
  },
  "labs-several": {
    cause: "Several labs are running on this machine: {runs}.",
    effect: "Nothing was asked and nothing was changed.",
    remedy:
      "Say which one with HOLDFAST_LAB (its run id, its folder or its lab.sock): HOLDFAST_LAB=RUN holdfast vm list.",
  },
  "lab-refused": { cause: "{cause}", effect: "{effect}", remedy: "{remedy}" },
  "api-socket-in-use": {
    cause: "Another daemon answers at {socket}.",
    effect: "This one does not serve the API.",
    remedy: "Stop the other one, or give this host another runDir.",
  },
  "api-socket-failed": {
    cause: "The socket {socket} cannot be opened ({cause}).",
    effect: "This host does not serve the API; its VMs run on.",
    remedy: "Make the folder of the socket writable, or free the disk if it is full.",
  },
} satisfies Catalogue;
