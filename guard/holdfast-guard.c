// holdfast-guard: holds one deadline and stops the virtual machines of this host when it passes (docs/RULES.md S2-S5).
// Protocol, files and cgroups: docs/designs/0001-processes-and-files.md. It trusts nobody: no clock value comes in, no
// order makes machines run again but "committed" for a stamp whose deadline still lies in the future, and any silence
// only lets the deadline come. Errors in bookkeeping always fall to the side of standing still.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PROTOCOL = 1, STAMPS_MAX = 64, LINE_BYTES_MAX = 256, VERIFY_MS = 300, TICK_MS = 200 };
static const int64_t NS_PER_MS = 1000000;

// The same moment on two clocks; whichever says "earlier" wins (S3). boot == 0: never.
typedef struct { int64_t boot, raw; } Instant;

static const char *name, *level, *runs, *run_dir, *watchdog;
static int64_t deadline_ms, margin_ms;
static char deadline_path[PATH_MAX], deadline_temp[PATH_MAX], socket_path[108], boot_id[64];
static int freeze_fd, events_fd, kill_fd, listen_fd, timer_fd, signal_fd, peer = -1, watchdog_fd = -1;

static struct { uint64_t number; Instant at; } stamps[STAMPS_MAX];
static uint64_t stamp_last, stamp_count, incarnation; // incarnation 0: not told yet
static Instant deadline;
static bool frozen, verified, ready; // ready: this connection's incarnation was acknowledged
static int in_flight;
static Instant freeze_due;

static void complain(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "holdfast-guard %s: ", name ? name : "?");
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
}

static void give_up(const char *what, const char *path, const char *remedy) {
  complain("cannot %s %s: %s. %s", what, path, strerror(errno), remedy);
  exit(1);
}

static Instant now(void) {
  struct timespec boot, raw;
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_MONOTONIC_RAW, &raw);
  return (Instant){boot.tv_sec * 1000000000LL + boot.tv_nsec, raw.tv_sec * 1000000000LL + raw.tv_nsec};
}

static Instant after(Instant at, int64_t ms) { return (Instant){at.boot + ms * NS_PER_MS, at.raw + ms * NS_PER_MS}; }

// Nanoseconds until `at`, on the clock that says less; already passed where there is none.
static int64_t remaining_ns(Instant at) {
  if (at.boot == 0) return -1;
  Instant t = now();
  int64_t boot = at.boot - t.boot, raw = at.raw - t.raw;
  return boot < raw ? boot : raw;
}

static void sleep_ms(long ms) { nanosleep(&(struct timespec){0, ms * NS_PER_MS}, NULL); }

// Answers never block: a heart that does not read loses its connection, and the deadline stays as it is.
static void say(const char *format, ...) {
  char line[LINE_BYTES_MAX * 2];
  if (peer < 0) return;
  va_list list;
  va_start(list, format);
  int length = vsnprintf(line, sizeof line - 1, format, list);
  va_end(list);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  if (send(peer, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) == length) return;
  close(peer);
  peer = -1;
}

static bool put_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return done;
}

static bool fd_holds(int fd, const char *wanted) {
  char text[256];
  ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length < 0) return false;
  text[length] = 0;
  return strstr(text, wanted) != NULL;
}

static bool file_holds(const char *path, const char *wanted) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool holds = fd_holds(fd, wanted);
  close(fd);
  return holds;
}

// Written before machines may run longer. Where it fails, the older deadline stays: a new guard stops them too early.
static void save_deadline(void) {
  char text[160];
  int length = snprintf(text, sizeof text, "1 %" PRIu64 " %" PRId64 " %" PRId64 " %s\n", incarnation, deadline.boot,
                        deadline.raw, boot_id);
  int fd = open(deadline_temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool done = fd >= 0 && write(fd, text, length) == length;
  if (fd >= 0) close(fd);
  if (!done || rename(deadline_temp, deadline_path) != 0)
    complain("cannot write %s: %s. After a restart of this guard the VMs stand still until the next heartbeat.",
             deadline_path, strerror(errno));
}

// A deadline of another boot, or farther away than any stamp could put it, is none (S4).
static void load_deadline(void) {
  char text[160] = "", boot[64] = "";
  uint64_t n = 0;
  Instant at = {0, 0};
  int fd = open(deadline_path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (length <= 0) return;
  if (sscanf(text, "1 %" SCNu64 " %" SCNd64 " %" SCNd64 " %63s", &n, &at.boot, &at.raw, boot) != 4) return;
  if (strcmp(boot, boot_id) != 0 || strchr(text, '\n') == NULL) return;
  incarnation = n;
  if (remaining_ns(at) <= deadline_ms * NS_PER_MS) deadline = at;
}

// Looks at one thread that has not been counted as frozen. True unless it could be executing now.
static bool thread_stands_still(const char *tid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%.20s/stat", tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT && strcmp(tid, "0") != 0; // it has ended; 0 is a thread this guard cannot see
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  text[length > 0 ? length : 0] = 0;
  const char *end = strrchr(text, ')');
  char state = end && end[1] ? end[2] : 'R';
  if (state == 'D') in_flight++;
  return state != 'R';
}

// Where `frozen 1` does not come: a vCPU must not be running; a thread in uninterruptible I/O cannot return to the
// guest before it stops, but its I/O is still under way (S5). Counts those in `in_flight`.
static bool threads_stand_still(const char *folder) {
  char path[PATH_MAX], tid[32];
  bool still = true;
  snprintf(path, sizeof path, "%s/cgroup.threads", folder);
  FILE *threads = fopen(path, "re");
  if (!threads) return errno == ENOENT;
  while (fscanf(threads, "%31s", tid) == 1) still = thread_stands_still(tid) && still;
  fclose(threads);
  DIR *dir = opendir(folder);
  if (!dir) return errno == ENOENT && still;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) still = false;
    else still = threads_stand_still(path) && still;
  }
  closedir(dir);
  return still;
}

static void say_frozen(void) {
  int64_t lateness_ns = -remaining_ns(freeze_due);
  say("frozen %" PRId64 " %d %d", lateness_ns > 0 ? lateness_ns / NS_PER_MS : 0, verified, in_flight);
}

static void freeze_level(Instant due) {
  Instant end = after(now(), VERIFY_MS);
  frozen = true;
  freeze_due = due;
  in_flight = 0;
  if (pwrite(freeze_fd, "1", 1, 0) != 1) complain("cannot freeze %s: %s", level, strerror(errno));
  while (!(verified = fd_holds(events_fd, "frozen 1")) && remaining_ns(end) > 0) sleep_ms(1);
  if (!verified) verified = threads_stand_still(level);
  if (!verified) {
    complain("the VMs below %s did not stand still within %d ms: killing them", level, VERIFY_MS);
    if (pwrite(kill_fd, "1", 1, 0) != 1) complain("cannot kill the VMs below %s: %s", level, strerror(errno));
  } else if (in_flight > 0) complain("%d threads below %s have I/O in flight", in_flight, level);
  say_frozen();
}

// Storage that answered again, or the end of killed processes, makes a freeze complete afterwards.
static void look_again(void) {
  if (!fd_holds(events_fd, "frozen 1") && !fd_holds(events_fd, "populated 0")) return;
  verified = true;
  in_flight = 0;
  say_frozen();
}

// Freezes every folder of another incarnation by its own switch, so that a thaw of this level moves nothing in it, and
// removes the empty ones. -1 and a cause: one of them could not be verified. Else the number that still hold processes.
static int freeze_others(char *cause, size_t cause_bytes) {
  char own[32], path[PATH_MAX], events[PATH_MAX], folder[PATH_MAX];
  int leftovers = 0;
  Instant end = after(now(), VERIFY_MS);
  if (!frozen && remaining_ns(deadline) < VERIFY_MS * NS_PER_MS) end = deadline; // never later to the freeze than that
  snprintf(own, sizeof own, "%" PRIu64, incarnation);
  DIR *dir = opendir(runs);
  if (!dir) return snprintf(cause, cause_bytes, "cannot list the incarnations: %s", strerror(errno)), -1;
  for (struct dirent *entry; leftovers >= 0 && (entry = readdir(dir));) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0) continue;
    bool fits = snprintf(folder, sizeof folder, "%s/%s", runs, entry->d_name) < (int)sizeof folder - 16;
    snprintf(path, sizeof path, "%.*s/cgroup.freeze", PATH_MAX - 16, folder);
    snprintf(events, sizeof events, "%.*s/cgroup.events", PATH_MAX - 16, folder);
    bool done = fits && put_text(path, "1");
    while (done && !(file_holds(path, "1") && file_holds(events, "frozen 1"))) {
      done = remaining_ns(end) > 0;
      if (done) sleep_ms(1);
    }
    if (access(folder, F_OK) != 0) continue; // the other guard or the agent has removed it
    if (!done) {
      snprintf(cause, cause_bytes, "folder %.32s does not stand still", entry->d_name);
      leftovers = -1;
    } else if (!file_holds(events, "populated 0")) leftovers++;
    else rmdir(folder);
  }
  closedir(dir);
  return leftovers;
}

// A folder of this number that was frozen as "another incarnation" before can be used only where nothing is in it.
static bool make_folder(char *cause, size_t cause_bytes) {
  char path[PATH_MAX], events[PATH_MAX];
  snprintf(path, sizeof path, "%s/%" PRIu64, runs, incarnation);
  if (mkdir(path, 0755) == 0) return true;
  if (errno != EEXIST) return snprintf(cause, cause_bytes, "cannot make the folder: %s", strerror(errno)), false;
  snprintf(path, sizeof path, "%s/%" PRIu64 "/cgroup.freeze", runs, incarnation);
  snprintf(events, sizeof events, "%s/%" PRIu64 "/cgroup.events", runs, incarnation);
  if (file_holds(path, "0")) return true;
  if (file_holds(events, "populated 0") && put_text(path, "0")) return true;
  return snprintf(cause, cause_bytes, "its folder holds frozen processes of an earlier use"), false;
}

static void forget_stamps(void) {
  memset(stamps, 0, sizeof stamps);
  stamp_last = stamp_count = 0;
}

static void stop_counting(void) {
  deadline = (Instant){0, 0};
  forget_stamps();
  save_deadline();
  freeze_level(now());
}

static void on_incarnation(uint64_t n) {
  char cause[160] = "";
  ready = false;
  if (n < incarnation) {
    say("incarnation %" PRIu64 " failed 0 it is older than %" PRIu64, n, incarnation);
    return;
  }
  if (n != incarnation) {
    incarnation = n;
    stop_counting();
  }
  int leftovers = freeze_others(cause, sizeof cause);
  bool whole = leftovers >= 0 && make_folder(cause, sizeof cause);
  if (whole && frozen && !verified) {
    whole = false;
    snprintf(cause, sizeof cause, "this guard's own level does not stand still");
  }
  ready = whole;
  if (whole) say("incarnation %" PRIu64 " ok %d", n, leftovers);
  else say("incarnation %" PRIu64 " failed %d %s", n, leftovers < 0 ? 1 : leftovers, cause);
}

static void on_stamp(uint64_t s) {
  if (!ready) return say("error stamp %" PRIu64 ": no incarnation was acknowledged on this connection", s);
  if (s <= stamp_last) return say("error stamp %" PRIu64 ": not above %" PRIu64, s, stamp_last);
  stamp_last = s;
  stamps[stamp_count % STAMPS_MAX].number = s;
  stamps[stamp_count++ % STAMPS_MAX].at = now();
  say("stamped %" PRIu64, s);
}

// The only way to run on, and the only way to run again (S2).
static void on_committed(uint64_t s) {
  char cause[160] = "";
  int i = 0;
  while (i < STAMPS_MAX && stamps[i].number != s) i++;
  if (!ready || i == STAMPS_MAX) return say("error committed %" PRIu64 ": unknown stamp", s);
  Instant until = after(stamps[i].at, deadline_ms);
  if (remaining_ns(until) <= 0) return say("late %" PRIu64, s);
  if (frozen && freeze_others(cause, sizeof cause) < 0) return say("error committed %" PRIu64 ": %s", s, cause);
  if (until.boot > deadline.boot) {
    deadline = until;
    save_deadline();
  }
  int64_t left_ns = remaining_ns(deadline);
  if (left_ns <= 0) return say("late %" PRIu64, s);
  if (frozen) {
    if (pwrite(freeze_fd, "0", 1, 0) != 1) return say("error committed %" PRIu64 ": cannot thaw", s);
    frozen = verified = false;
    in_flight = 0;
    say("thawed");
  }
  say("deadline %" PRIu64 " %" PRId64, s, left_ns / NS_PER_MS);
}

// One whole number from 1, of at most 15 digits, and nothing else.
static bool parse_number(const char *text, uint64_t *value) {
  size_t length = strspn(text, "0123456789");
  if (length == 0 || length > 15 || text[length] != 0) return false;
  *value = strtoull(text, NULL, 10);
  return *value > 0;
}

static void on_line(const char *line) {
  uint64_t number;
  if (strcmp(line, "freeze") == 0) stop_counting();
  else if (strncmp(line, "incarnation ", 12) == 0 && parse_number(line + 12, &number)) on_incarnation(number);
  else if (strncmp(line, "stamp ", 6) == 0 && parse_number(line + 6, &number)) on_stamp(number);
  else if (strncmp(line, "committed ", 10) == 0 && parse_number(line + 10, &number)) on_committed(number);
  else say("error not understood: expected incarnation N, stamp S, committed S or freeze");
}

static char line[LINE_BYTES_MAX];
static size_t line_bytes;
static bool line_too_long;

// One read per round, so that a flood of lines never keeps the deadline from being looked at.
static void read_peer(void) {
  char bytes[LINE_BYTES_MAX];
  ssize_t length = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length <= 0) {
    close(peer);
    peer = -1; // the end of a connection means "keep the deadline"
    return;
  }
  for (ssize_t i = 0; i < length && peer >= 0; i++) {
    if (bytes[i] != '\n') {
      if (line_bytes < sizeof line - 1) line[line_bytes++] = bytes[i] ? bytes[i] : '?';
      else line_too_long = true;
      continue;
    }
    line[line_bytes] = 0;
    if (line_too_long) say("error line too long");
    else on_line(line);
    line_bytes = 0;
    line_too_long = false;
  }
}

static void accept_peer(void) {
  int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (peer >= 0) close(peer);
  peer = fd;
  ready = line_too_long = false;
  line_bytes = 0;
  forget_stamps(); // a new heart counts its stamps anew
  char n[32] = "-";
  if (incarnation > 0) snprintf(n, sizeof n, "%" PRIu64, incarnation);
  say("hello %d %" PRId64 " %" PRId64 " %s %d %d", PROTOCOL, deadline_ms, margin_ms, n, frozen, watchdog_fd >= 0);
}

static void feed_watchdog(void) {
  bool in_order = frozen ? verified : remaining_ns(deadline) > 0;
  if (watchdog_fd < 0 || !in_order) return;
  if (write(watchdog_fd, "\0", 1) != 1) complain("cannot feed %s: %s", watchdog, strerror(errno));
}

// An orderly end leaves the VMs frozen and the deadline file as it is; the next guard takes both over.
static void leave(void) {
  freeze_level(now());
  if (watchdog_fd >= 0 && (verified || fd_holds(events_fd, "populated 0")) && write(watchdog_fd, "V", 1) != 1)
    complain("cannot disarm %s: %s", watchdog, strerror(errno));
  unlink(socket_path);
  exit(0);
}

static void watch(void) {
  for (;;) {
    if (!frozen && remaining_ns(deadline) <= 0) freeze_level(deadline);
    if (frozen && !fd_holds(freeze_fd, "1")) freeze_level(now()); // somebody else has thawed it
    if (frozen && (!verified || in_flight > 0)) look_again();
    feed_watchdog();
    int64_t wait_ns = TICK_MS * NS_PER_MS, left_ns = frozen ? wait_ns : remaining_ns(deadline);
    if (left_ns < wait_ns) wait_ns = left_ns > 1 ? left_ns : 1;
    struct itimerspec timer = {{0, 0}, {wait_ns / 1000000000LL, wait_ns % 1000000000LL}};
    timerfd_settime(timer_fd, 0, &timer, NULL);
    struct pollfd fds[] = {{timer_fd, POLLIN, 0}, {signal_fd, POLLIN, 0}, {listen_fd, POLLIN, 0}, {peer, POLLIN, 0}};
    if (poll(fds, 4, -1) < 0) continue;
    if (!frozen && remaining_ns(deadline) <= 0) continue; // first the deadline, then everything else
    if (fds[1].revents) leave();
    if (fds[2].revents) accept_peer();
    else if (peer >= 0 && fds[3].revents) read_peer();
  }
}

static void parse_options(int count, char **list) {
  for (int i = 1; i + 1 < count; i += 2) {
    uint64_t number;
    const char *key = list[i], *value = list[i + 1];
    if (strcmp(key, "--name") == 0) name = value;
    else if (strcmp(key, "--level") == 0) level = value;
    else if (strcmp(key, "--runs") == 0) runs = value;
    else if (strcmp(key, "--run-dir") == 0) run_dir = value;
    else if (strcmp(key, "--watchdog") == 0) watchdog = value;
    else if (strcmp(key, "--deadline-ms") == 0 && parse_number(value, &number)) deadline_ms = (int64_t)number;
    else if (strcmp(key, "--margin-ms") == 0 && parse_number(value, &number)) margin_ms = (int64_t)number;
    else count = 0;
  }
  bool named = name && (strcmp(name, "a") == 0 || strcmp(name, "b") == 0);
  if (count % 2 == 1 && named && level && runs && run_dir && deadline_ms >= 100 && deadline_ms <= 31536000000 && margin_ms)
    return;
  fprintf(stderr, "usage: holdfast-guard --name a|b --level DIR --runs DIR --run-dir DIR --deadline-ms N --margin-ms N\n"
                  "       [--watchdog PATH]\n"
                  "level and runs are cgroup v2 folders (level holds runs, or is it); deadline 100 to 31536000000 ms.\n");
  exit(2);
}

static int open_in_level(const char *file, int flags) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", level, file);
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) give_up("open", path, "The level must be a cgroup v2 folder (Linux 5.14 or newer); run the guard as root.");
  return fd;
}

static void make_folders(const char *wanted) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/", wanted);
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(path, 0755) != 0 && errno != EEXIST) give_up("make", path, "Is cgroup v2 mounted and writable there?");
    *slash = '/';
  }
}

static void be_on_time(void) {
  struct sched_param priority = {.sched_priority = 50};
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) complain("not locked in memory: %s", strerror(errno));
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) complain("no real-time priority: %s", strerror(errno));
  put_text("/proc/self/oom_score_adj", "-1000");
}

static void open_socket(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char lock_path[PATH_MAX];
  snprintf(lock_path, sizeof lock_path, "%s/guard-%s.lock", run_dir, name);
  int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0)
    give_up("lock", lock_path, "Does the run folder exist? Another guard of this name must not run here.");
  if (snprintf(socket_path, sizeof socket_path, "%s/guard-%s.sock", run_dir, name) >= (int)sizeof socket_path)
    errno = ENAMETOOLONG, give_up("use", run_dir, "Choose a shorter run folder.");
  memcpy(address.sun_path, socket_path, sizeof socket_path);
  unlink(socket_path);
  umask(0077);
  listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(listen_fd, 4) != 0)
    give_up("listen on", socket_path, "The run folder must exist and be writable.");
}

int main(int count, char **list) {
  parse_options(count, list);
  snprintf(deadline_path, sizeof deadline_path, "%s/guard-%s.deadline", run_dir, name);
  snprintf(deadline_temp, sizeof deadline_temp, "%s/guard-%s.deadline.new", run_dir, name);
  int boot_fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (boot_fd < 0 || read(boot_fd, boot_id, 36) != 36) give_up("read", "the boot id", "Mount /proc.");
  close(boot_fd);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  signal(SIGHUP, SIG_IGN);
  make_folders(runs);
  freeze_fd = open_in_level("cgroup.freeze", O_RDWR);
  events_fd = open_in_level("cgroup.events", O_RDONLY);
  kill_fd = open_in_level("cgroup.kill", O_WRONLY);
  open_socket();
  be_on_time();
  load_deadline();
  // A valid deadline permits what runs to go on; what stands still waits for the next heartbeat.
  frozen = fd_holds(freeze_fd, "1");
  if (frozen || remaining_ns(deadline) <= 0) freeze_level(deadline.boot ? deadline : now());
  timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  if (timer_fd < 0 || signal_fd < 0) give_up("make", "a timer", "Too few file descriptors?");
  if (watchdog && (watchdog_fd = open(watchdog, O_WRONLY | O_CLOEXEC)) < 0)
    complain("cannot open %s: %s. The guards are this host's only stop.", watchdog, strerror(errno));
  watch();
}
