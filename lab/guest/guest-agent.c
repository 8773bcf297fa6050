/*
 * The lab guest's agent. It speaks what Holdfast asks of QEMU's guest agent (guest-sync, guest-sync-delimited, guest-ping,
 * guest-info, guest-fsfreeze-freeze, -thaw, -status), a line of JSON each way, and really holds the guest's only program
 * between two things that it writes. As with the real one nothing thaws by itself: that is for the host to see to.
 */
#define _GNU_SOURCE
#include "guest-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { devices = 4, ports = 4, line_max = 1024, file_systems = 1 };

static int port = -1, woken = -1, frozen;
static char line[line_max];
static size_t used;
static void (*bring_in_order)(void);

int agent_is_frozen(void) { return frozen; }

/* A port without a host says "hung up" at each poll: the kernel's signal is what tells that somebody came, or said something. */
int agent_open(void (*quiesce)(void)) {
  char path[32];
  sigset_t signals;
  bring_in_order = quiesce;
  for (int i = 0; i < devices * ports && port < 0; i++) {
    snprintf(path, sizeof path, "/dev/vport%dp%d", i / ports, i % ports);
    port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  if (port < 0) return -1;
  sigemptyset(&signals);
  sigaddset(&signals, SIGIO);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  woken = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  fcntl(port, F_SETOWN, getpid());
  fcntl(port, F_SETFL, O_NONBLOCK | O_ASYNC);
  agent_serve(); /* what was said before anybody listened */
  return woken;
}

static void say(const char *prefix, const char *text) {
  char out[line_max];
  int length = snprintf(out, sizeof out, "%s%s\n", prefix, text);
  ssize_t ignored = write(port, out, length);
  (void)ignored;
}

static void say_number(const char *prefix, long long number) {
  char text[64];
  snprintf(text, sizeof text, "{\"return\": %lld}", number);
  say(prefix, text);
}

static void refuse(const char *why) {
  char text[256];
  snprintf(text, sizeof text, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}", why);
  say("", text);
}

static void freeze(void) {
  if (frozen) return refuse("The command guest-fsfreeze-freeze has been disabled: file systems are frozen");
  bring_in_order();
  frozen = 1;
  say_number("", file_systems);
}

static void thaw(void) {
  int thawed = frozen ? file_systems : 0;
  frozen = 0;
  say_number("", thawed);
}

static long long number_of(const char *request, const char *key) {
  const char *at = strstr(request, key);
  return at == NULL ? 0 : atoll(at + strlen(key) + strspn(at + strlen(key), ": "));
}

static int is(const char *request, const char *command) {
  const char *at = strstr(request, "\"execute\"");
  if (at == NULL) return 0;
  at += strlen("\"execute\"");
  at += strspn(at, ": \"");
  return strncmp(at, command, strlen(command)) == 0 && at[strlen(command)] == '"';
}

static void handle(const char *request) {
  if (is(request, "guest-sync")) say_number("", number_of(request, "\"id\""));
  else if (is(request, "guest-sync-delimited")) say_number("\xff", number_of(request, "\"id\""));
  else if (is(request, "guest-ping")) say("", "{\"return\": {}}");
  else if (is(request, "guest-info")) say("", "{\"return\": {\"version\": \"holdfast-guest\", \"supported_commands\": []}}");
  else if (is(request, "guest-fsfreeze-status")) say("", frozen ? "{\"return\": \"frozen\"}" : "{\"return\": \"thawed\"}");
  else if (is(request, "guest-fsfreeze-freeze")) freeze();
  else if (is(request, "guest-fsfreeze-thaw")) thaw();
  else refuse("The command has not been found");
}

/* A byte 0xff begins anew: whatever somebody else left unfinished before it is of no meaning. */
static void take(char byte) {
  if (byte == '\xff' || used >= line_max - 1) used = 0;
  if (byte == '\xff') return;
  if (byte != '\n') {
    line[used++] = byte;
    return;
  }
  line[used] = 0;
  if (used > 0) handle(line);
  used = 0;
}

void agent_serve(void) {
  struct signalfd_siginfo info;
  char said[256];
  ssize_t got;
  while (read(woken, &info, sizeof info) > 0) continue;
  while ((got = read(port, said, sizeof said)) > 0)
    for (ssize_t i = 0; i < got; i++) take(said[i]);
}
