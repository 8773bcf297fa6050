/*
 * holdfast-guest: the lab's test equipment, not part of the product. It is PID 1 of a tiny guest: loads the virtio
 * modules, brings up eth0, and serves HTTP on port 80 over a log of numbered records on /dev/vda.
 * A write is answered only after its record is on the disk, so that whoever asked may count on it for ever:
 * that is what "no acknowledged write is lost" is measured against. No shell, no libc modules, no forks:
 * every exec costs tens of milliseconds under TCG, and service time after a failover is what users feel. What a host may
 * ask of it over virtio-serial is in guest-agent.c.
 *
 * Disk: sector 0 is the superblock, sector 1 + i holds record i (layouts below, little-endian, read by disk.ts).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/input.h>
#include <linux/reboot.h>
#include <netpacket/packet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest-agent.h"

enum { sector = 512, connections = 48, request_max = 2048, inputs = 8, announcements = 5, agent_wait_ms = 5000 };

struct superblock {
  char magic[8]; /* "HFGUEST1" */
  uint64_t boots;
  uint8_t unused[sector - 20];
  uint32_t crc;
} __attribute__((packed));

struct record {
  char magic[4]; /* "HFR1" */
  uint32_t boot;
  uint64_t index;
  uint64_t number; /* 0: a tick of the guest itself */
  uint64_t epoch;
  uint64_t last; /* the last number that is not 0, this record included */
  char client[64];
  uint8_t unused[sector - 108];
  uint32_t crc;
} __attribute__((packed));

_Static_assert(sizeof(struct superblock) == sector, "a superblock is one sector");
_Static_assert(sizeof(struct record) == sector, "a record is one sector");

struct connection {
  int fd;
  size_t used;
  char request[request_max];
};

static int disk = -1;
static uint64_t capacity, records, last_number, boots, epoch;
static char name[64] = "guest", address[64] = "", then[16] = "", agent[8] = "";
static long tick_ms, pair_ms;
static int is_half_done;
static struct connection served[connections];
static uint8_t block[sector] __attribute__((aligned(4096)));

static void say(const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length > (int)sizeof line) length = sizeof line;
  ssize_t ignored = write(1, line, length);
  (void)ignored;
}

static uint64_t uptime_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t crc32(const void *data, size_t length) {
  static uint32_t table[256];
  if (table[1] == 0)
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
      table[i] = c;
    }
  uint32_t crc = ~0u;
  const uint8_t *byte = data;
  while (length--) crc = table[(crc ^ *byte++) & 0xff] ^ (crc >> 8);
  return ~crc;
}

/* Disk ------------------------------------------------------------------------------------------------------------ */

static int read_sector(uint64_t number) { return pread(disk, block, sector, number * sector) == sector ? 0 : -1; }

/* On the disk, not only in a cache, when it returns 0: O_DSYNC does it, the fdatasync says so a second time. */
static int write_sector(uint64_t number) {
  if (pwrite(disk, block, sector, number * sector) != sector) return -1;
  return fdatasync(disk);
}

static int record_at(uint64_t index, struct record *into) {
  if (index >= capacity || read_sector(1 + index) != 0) return 0;
  memcpy(into, block, sector);
  return memcmp(into->magic, "HFR1", 4) == 0 && into->index == index && into->crc == crc32(into, sector - 4);
}

/* Records are appended without gaps, so "is there one at i" changes once: doubling, then halving finds the end. */
static void find_end(void) {
  struct record found;
  uint64_t low = 0, high = 1;
  if (!record_at(0, &found)) return;
  while (record_at(high, &found)) low = high, high *= 2;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    if (record_at(middle, &found)) low = middle;
    else high = middle;
  }
  record_at(low, &found);
  records = low + 1;
  last_number = found.last;
}

static void open_disk(void) {
  disk = open("/dev/vda", O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
  if (disk < 0) return;
  uint64_t bytes = 0;
  struct superblock super;
  if (ioctl(disk, BLKGETSIZE64, &bytes) != 0 || bytes < 2 * sector || read_sector(0) != 0) goto unusable;
  capacity = bytes / sector - 1;
  memcpy(&super, block, sector);
  static const uint8_t zeros[sector];
  if (memcmp(super.magic, "HFGUEST1", 8) == 0 && super.crc == crc32(&super, sector - 4)) boots = super.boots;
  else if (memcmp(&super, zeros, sector) != 0) goto unusable; /* somebody else's data: never overwrite it */
  find_end();
  memset(&super, 0, sizeof super);
  memcpy(super.magic, "HFGUEST1", 8);
  super.boots = ++boots;
  super.crc = crc32(&super, sector - 4);
  memcpy(block, &super, sector);
  if (write_sector(0) == 0) return;
unusable:
  say("holdfast-guest: the disk cannot be used: %s\n", strerror(errno));
  close(disk);
  disk = -1;
}

/* Returns the record's index, or -1 where it is not surely on the disk. */
static int64_t append(uint64_t number, const char *client) {
  if (disk < 0 || records >= capacity) return -1;
  struct record next = {.magic = {'H', 'F', 'R', '1'}, .boot = boots, .index = records, .number = number};
  next.epoch = epoch;
  next.last = number != 0 ? number : last_number;
  strncpy(next.client, client, sizeof next.client - 1);
  next.crc = crc32(&next, sector - 4);
  memcpy(block, &next, sector);
  if (write_sector(1 + records) != 0) return -1;
  last_number = next.last;
  return records++;
}

/*
 * With `holdfast.pair=MS` what the guest notes by itself takes two records, the second one so long after the first: who
 * reads the disk at any moment finds a thing half done, except where the guest was asked to come to its end first.
 */
static void finish_pair(void) {
  if (is_half_done) append(0, "pair-close");
  is_half_done = 0;
}

/* Returns after how many milliseconds the next one is due. */
static long tick(void) {
  if (pair_ms == 0) return append(0, "tick"), tick_ms;
  if (is_half_done) return finish_pair(), tick_ms;
  is_half_done = append(0, "pair-open") >= 0;
  return pair_ms;
}

/* HTTP ------------------------------------------------------------------------------------------------------------ */

static void answer(int fd, const char *status, const char *type, const char *body) {
  char head[256];
  char out[2400];
  snprintf(head, sizeof head,
           "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n\r\n",
           status, type, strlen(body));
  int length = snprintf(out, sizeof out, "%s%s", head, body);
  ssize_t ignored = send(fd, out, length, MSG_NOSIGNAL);
  (void)ignored;
}

static void answer_page(int fd) {
  char body[2000];
  snprintf(body, sizeof body,
           "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">"
           "<meta http-equiv=refresh content=1><title>%s</title>"
           "<style>body{font:18px/1.5 system-ui,sans-serif;margin:12vh auto;max-width:28rem;padding:0 1rem}"
           "td{padding:.1rem 1.5rem .1rem 0}td+td{font-variant-numeric:tabular-nums}</style>"
           "<h1>%s is running</h1><p>A small guest in a Holdfast cluster. It notes each accepted number on its disk "
           "before it answers.</p><table>"
           "<tr><td>Boots<td>%llu<tr><td>Epoch<td>%llu<tr><td>Last number<td>%llu<tr><td>Records<td>%llu"
           "<tr><td>Up for<td>%.1f s</table></html>\n",
           name, name, (unsigned long long)boots, (unsigned long long)epoch, (unsigned long long)last_number,
           (unsigned long long)records, uptime_ms() / 1000.0);
  answer(fd, "200 OK", "text/html", body);
}

static void answer_status(int fd) {
  char body[400];
  snprintf(body, sizeof body,
           "{\"name\":\"%s\",\"boots\":%llu,\"epoch\":%llu,\"records\":%llu,\"lastNumber\":%llu,\"uptimeMs\":%llu}\n",
           name, (unsigned long long)boots, (unsigned long long)epoch, (unsigned long long)records,
           (unsigned long long)last_number, (unsigned long long)uptime_ms());
  answer(fd, "200 OK", "application/json", body);
}

static void query(const char *path, const char *key, char *into, size_t size) {
  const char *at = strchr(path, '?');
  size_t length = strlen(key);
  into[0] = 0;
  while (at != NULL && *at != 0) {
    at++;
    if (strncmp(at, key, length) == 0 && at[length] == '=') {
      snprintf(into, size, "%.*s", (int)strcspn(at + length + 1, "&"), at + length + 1);
      return;
    }
    at = strchr(at, '&');
  }
}

static void answer_write(int fd, const char *path) {
  char text[32], client[64], body[160];
  query(path, "n", text, sizeof text);
  query(path, "client", client, sizeof client);
  uint64_t number = strtoull(text, NULL, 10);
  if (number == 0) return answer(fd, "400 Bad Request", "application/json", "{\"error\":\"n must be 1 or more\"}\n");
  int64_t index = append(number, client);
  if (index < 0) return answer(fd, "507 Insufficient Storage", "application/json", "{\"error\":\"not written\"}\n");
  snprintf(body, sizeof body, "{\"n\":%llu,\"index\":%lld,\"epoch\":%llu}\n", (unsigned long long)number,
           (long long)index, (unsigned long long)epoch);
  answer(fd, "200 OK", "application/json", body);
}

static void power_off(void) {
  reboot(LINUX_REBOOT_CMD_POWER_OFF);
}

static void crash(void) {
  int trigger = open("/proc/sysrq-trigger", O_WRONLY);
  ssize_t ignored = write(trigger, "c", 1);
  (void)ignored;
}

static int is(const char *path, const char *wanted) {
  size_t length = strcspn(path, "?");
  return strlen(wanted) == length && strncmp(path, wanted, length) == 0;
}

static void handle(int fd, char *request) {
  char *path = strchr(request, ' ');
  if (path == NULL) return answer(fd, "400 Bad Request", "text/plain", "bad request\n");
  path++;
  path[strcspn(path, " \r\n")] = 0;
  if (is(path, "/")) answer_page(fd);
  else if (is(path, "/status")) answer_status(fd);
  else if (is(path, "/write")) answer_write(fd, path);
  else if (is(path, "/panic")) crash();
  else if (is(path, "/poweroff")) answer(fd, "200 OK", "text/plain", "bye\n"), power_off();
  else if (is(path, "/reboot")) reboot(LINUX_REBOOT_CMD_RESTART);
  else answer(fd, "404 Not Found", "text/plain", "not found\n");
}

static void close_connection(struct connection *c) {
  close(c->fd);
  c->fd = -1;
  c->used = 0;
}

/* A body is never needed: what follows the head of a request with a body is dropped with the connection. */
static void read_connection(struct connection *c) {
  ssize_t got = recv(c->fd, c->request + c->used, request_max - 1 - c->used, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close_connection(c);
  c->used += got;
  c->request[c->used] = 0;
  char *end;
  while ((end = strstr(c->request, "\r\n\r\n")) != NULL) {
    size_t head = end + 4 - c->request;
    *end = 0;
    char *length = strcasestr(c->request, "\r\ncontent-length:");
    int last = strcasestr(c->request, "\r\nconnection: close") != NULL || (length != NULL && atoi(length + 17) > 0);
    handle(c->fd, c->request);
    if (last) return shutdown(c->fd, SHUT_WR), close_connection(c);
    memmove(c->request, c->request + head, c->used - head + 1);
    c->used -= head;
  }
  if (c->used >= request_max - 1) close_connection(c);
}

static void accept_connection(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct connection *place = NULL;
  for (int i = 0; i < connections && place == NULL; i++)
    if (served[i].fd < 0) place = &served[i];
  /* All taken: a client that vanished without a word must not keep a place for ever. The first one gives way. */
  if (place == NULL) place = &served[0], close_connection(place);
  place->fd = fd;
}

static int listen_http(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(80)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 32) != 0)
    say("holdfast-guest: cannot listen: %s\n", strerror(errno));
  return fd;
}

/* Boot ------------------------------------------------------------------------------------------------------------ */

static void load_module(const char *module) {
  char path[64];
  snprintf(path, sizeof path, "/m/%s.ko", module);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
    say("holdfast-guest: module %s: %s\n", module, strerror(errno));
  close(fd);
}

static void set_address(int fd, const char *interface, const char *cidr) {
  char host[64];
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  int length = 24;
  snprintf(host, sizeof host, "%s", cidr);
  char *slash = strchr(host, '/');
  if (slash != NULL) length = atoi(slash + 1), *slash = 0;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, host, &in->sin_addr);
  ioctl(fd, SIOCSIFADDR, &request);
  in->sin_addr.s_addr = htonl(length <= 0 ? 0 : ~0u << (32 - length));
  ioctl(fd, SIOCSIFNETMASK, &request);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ioctl(fd, SIOCSIFFLAGS, &request);
}

static void start_network(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "eth0"};
  set_address(fd, "lo", "127.0.0.1/8");
  if (address[0] != 0) set_address(fd, "eth0", address);
  /* The driver reports its carrier a moment later; what is sent before is dropped. */
  for (int i = 0; i < 100; i++) {
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0 || request.ifr_flags & IFF_RUNNING) break;
    usleep(2000);
  }
  close(fd);
}

/*
 * "Here I am": bridges relearn the port, and neighbours that wait for an answer of the copy that died go on at once
 * instead of after their own second (measured: 0.7 s of service time).
 */
static void announce(void) {
  struct ifreq request = {.ifr_name = "eth0"};
  struct {
    uint8_t to[6], from[6], head[10], sender[6], sender_ip[4], target[6], target_ip[4];
  } __attribute__((packed)) arp = {.head = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1}};
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex("eth0"), .sll_halen = 6};
  if (fd < 0 || to.sll_ifindex == 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0) return (void)close(fd);
  memset(arp.to, 0xff, 6);
  memset(to.sll_addr, 0xff, 6);
  memcpy(arp.from, request.ifr_hwaddr.sa_data, 6);
  memcpy(arp.sender, arp.from, 6);
  if (ioctl(fd, SIOCGIFADDR, &request) == 0) {
    memcpy(arp.sender_ip, &((struct sockaddr_in *)&request.ifr_addr)->sin_addr, 4);
    memcpy(arp.target_ip, arp.sender_ip, 4);
    sendto(fd, &arp, sizeof arp, 0, (struct sockaddr *)&to, sizeof to);
  }
  close(fd);
}

static void argument(const char *line, const char *key, char *into, size_t size) {
  const char *at = strstr(line, key);
  if (at == NULL) return;
  at += strlen(key);
  snprintf(into, size, "%.*s", (int)strcspn(at, " \n"), at);
}

static void read_arguments(void) {
  char line[2048] = "", number[24] = "";
  int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t got = read(fd, line, sizeof line - 1);
  close(fd);
  if (got <= 0) return;
  argument(line, "holdfast.name=", name, sizeof name);
  argument(line, "holdfast.ip=", address, sizeof address);
  argument(line, "holdfast.epoch=", number, sizeof number);
  epoch = strtoull(number, NULL, 10);
  argument(line, "holdfast.then=", then, sizeof then);
  number[0] = 0;
  argument(line, "holdfast.tick=", number, sizeof number);
  tick_ms = atol(number);
  number[0] = 0;
  argument(line, "holdfast.pair=", number, sizeof number);
  pair_ms = atol(number);
  argument(line, "holdfast.agent=", agent, sizeof agent);
}

/* What nobody waits for comes after the first answer: the panic device, the power button, and the host's channel. */
static int load_late(struct pollfd *into) {
  static const char *const late[] = {"pvpanic", "pvpanic-pci", "evdev", "button", "virtio_console"};
  for (size_t i = 0; i < sizeof late / sizeof *late; i++) load_module(late[i]);
  int opened = 0;
  for (int i = 0; i < inputs; i++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/input/event%d", i);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) into[opened++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
  return opened;
}

static void read_button(int fd) {
  struct input_event event;
  while (read(fd, &event, sizeof event) == sizeof event)
    if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) power_off();
}

/* `holdfast.then=`: what tests of a hypervisor need a guest to do by itself, where nobody can reach it over a network. */
static void do_then(void) {
  if (strcmp(then, "poweroff") == 0) power_off();
  if (strcmp(then, "panic") == 0) crash();
  if (strcmp(then, "reboot") == 0 && boots == 1) reboot(LINUX_REBOOT_CMD_RESTART);
}

static void serve(int listener) {
  struct pollfd polled[2 + inputs + connections];
  int buttons = -1, announced = 0, channel = -1;
  uint64_t next_announcement = uptime_ms();
  uint64_t next_tick = uptime_ms() + tick_ms, agent_until = 0;
  for (;;) {
    int before = buttons < 0 ? 2 : 2 + buttons;
    int count = before;
    /* Who stands still neither writes nor takes on what would have to be written. */
    int is_still = agent_is_frozen();
    polled[0] = (struct pollfd){.fd = is_still ? -1 : listener, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = channel, .events = POLLIN};
    for (int i = 0; i < connections; i++)
      polled[count++] = (struct pollfd){.fd = is_still ? -1 : served[i].fd, .events = POLLIN};
    int64_t wait = tick_ms > 0 && !is_still ? (int64_t)(next_tick - uptime_ms()) : -1;
    if (tick_ms > 0 && !is_still && wait < 0) wait = 0;
    if (announced < announcements) {
      if (uptime_ms() >= next_announcement) announce(), next_announcement = uptime_ms() + (100 << announced++);
      int64_t left = (int64_t)(next_announcement - uptime_ms());
      if (wait < 0 || left < wait) wait = left < 0 ? 0 : left;
    }
    /* The channel appears a moment after its module was loaded, or never. */
    if (buttons >= 0 && channel < 0 && uptime_ms() < agent_until && strcmp(agent, "off") != 0) {
      channel = agent_open(finish_pair);
      if (wait < 0 || wait > 20) wait = 20;
    }
    if (buttons < 0) wait = 0;
    int ready = poll(polled, count, wait);
    if (ready == 0 && buttons < 0) {
      buttons = load_late(polled + 2), do_then();
      agent_until = uptime_ms() + agent_wait_ms;
    }
    if (tick_ms > 0 && !agent_is_frozen() && uptime_ms() >= next_tick) next_tick = uptime_ms() + tick();
    if (ready <= 0) continue;
    for (int i = 2; i < before; i++)
      if (polled[i].revents != 0) read_button(polled[i].fd);
    for (int i = 0; i < connections; i++)
      if (served[i].fd >= 0 && polled[before + i].fd == served[i].fd && polled[before + i].revents != 0)
        read_connection(&served[i]);
    if (polled[0].revents != 0) accept_connection(listener);
    if (channel >= 0 && polled[1].revents != 0) agent_serve();
  }
}

int main(void) {
  static const char *const early[] = {"virtio_ring",    "virtio",       "virtio_pci_legacy_dev", "virtio_pci_modern_dev",
                                      "virtio_pci",     "virtio_blk",   "failover",              "net_failover",
                                      "virtio_net"};
  mkdir("/dev", 0755);
  mkdir("/proc", 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("proc", "/proc", "proc", 0, NULL);
  int console = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
  if (console >= 0) dup2(console, 0), dup2(console, 1), dup2(console, 2);
  signal(SIGPIPE, SIG_IGN);
  read_arguments();
  for (int i = 0; i < connections; i++) served[i].fd = -1;
  for (size_t i = 0; i < sizeof early / sizeof *early; i++) load_module(early[i]);
  open_disk();
  start_network();
  int listener = listen_http();
  say("holdfast-guest ready: %s boot %llu epoch %llu records %llu after %llu ms\n", name, (unsigned long long)boots,
      (unsigned long long)epoch, (unsigned long long)records, (unsigned long long)uptime_ms());
  serve(listener);
}
