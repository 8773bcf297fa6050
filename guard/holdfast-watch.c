// holdfast-watch LIST PIDS: notes who else writes the images of copies that are received (S21). It notes, and does nothing else.
//
// LIST names the images, two lines each: the file that the note goes to, on the same disk, and the image. Only their storage daemon
// writes them: those that PIDS names, and any that names the folder of LIST. Who writes is the kernel's word (fanotify): a write, not
// that somebody has it open. A loop device writes past that, and is asked for by itself. Another one's write is added to the note, a line
// of JSON. What the kernel could not keep for this process was somebody unseen, in any of the images.
// It needs nobody: agents and daemons come and go. LIST is read again where it has changed; the time of LIST.pid says that it looks.
// Where it cannot see all of them it ends, and says why. It ends with LIST, once LIST.pid names another, or by SIGTERM.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Events of one writer and file become one while nobody reads them: what the daemon itself writes costs next to nothing.
enum { restMs = 50, lookMs = 200, lookAllMs = 1000, nameMax = 128, pathMax = 4096, eventBytes = 16384 };
enum { imagesMax = 4096, pidsMax = 16, noteBytesMax = 65536 };

typedef struct {
  char *note, *path;
  // What lies under its name, as it was when it was looked at last.
  dev_t device;
  ino_t inode;
  // Who is noted already, or could not be noted yet.
  pid_t pid;
  char command[nameMax];
  int isNoted, isDue;
  long long atMs;
} Image;

static const char *listPath, *pidsPath;
static char folder[pathMax];
static int group;
static struct timespec listRead;
static Image images[imagesMax];
static int imageCount;
// Of one that is gone events may still come.
static pid_t own[pidsMax];
static int ownCount;

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static long long msOf(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

// Without the end of its line; 0: there is none.
static int readLine(FILE *file, char *text, int room) {
  if (file == NULL || fgets(text, room, file) == NULL) return 0;
  text[strcspn(text, "\n")] = '\0';
  return 1;
}

static int readFirstLine(const char *path, char *text, int room) {
  FILE *file = fopen(path, "re");
  int isRead = readLine(file, text, room);
  if (file != NULL) fclose(file);
  return isRead;
}

static void readList(FILE *list) {
  static Image before[imagesMax];
  char note[pathMax], path[pathMax];
  int beforeCount = imageCount;
  memcpy(before, images, sizeof before);
  for (imageCount = 0; readLine(list, note, pathMax) && readLine(list, path, pathMax);) {
    if (imageCount == imagesMax) errno = E2BIG, fail(listPath);
    Image image = {0};
    for (int i = 0; i < beforeCount; i++)
      if (strcmp(before[i].path, path) == 0) image = before[i];
    image.note = strdup(note);
    image.path = strdup(path);
    if (image.note == NULL || image.path == NULL) fail(listPath);
    images[imageCount++] = image;
  }
  for (int i = 0; i < beforeCount; i++) free(before[i].note), free(before[i].path);
}

// Again and again: another file may lie under its name by now.
static void watchImages(void) {
  for (int i = 0; i < imageCount; i++) {
    struct stat now;
    // One that is gone by now was merged into another. One that cannot be watched is told, by the end of this process.
    if (fanotify_mark(group, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, images[i].path) != 0 && errno != ENOENT)
      fail(images[i].path);
    if (stat(images[i].path, &now) == 0) images[i].device = now.st_dev, images[i].inode = now.st_ino;
  }
}

// 0: LIST is gone, and nothing is received here any more: who writes from then on may be a guest of this host.
static int lookAtList(int isAnyway) {
  struct stat now;
  if (stat(listPath, &now) != 0) return errno != ENOENT;
  int isOther = now.st_mtim.tv_sec != listRead.tv_sec || now.st_mtim.tv_nsec != listRead.tv_nsec;
  if (isOther) {
    FILE *list = fopen(listPath, "re");
    if (list == NULL) return errno != ENOENT;
    listRead = now.st_mtim;
    readList(list);
    fclose(list);
  }
  if (isOther || isAnyway) watchImages();
  return 1;
}

static int isAmongOwn(pid_t pid) {
  for (int i = 0; i < ownCount; i++)
    if (own[i] == pid) return 1;
  return 0;
}

static void addOwn(pid_t pid) {
  if (isAmongOwn(pid)) return;
  if (ownCount == pidsMax) memmove(own, own + 1, --ownCount * sizeof own[0]);
  own[ownCount++] = pid;
}

// One that was noted once stays, also where PIDS was lost and begun anew.
static void readOwn(void) {
  FILE *file = fopen(pidsPath, "re");
  if (file == NULL) return;
  for (int pid; fscanf(file, "%d", &pid) == 1;) addOwn(pid);
  fclose(file);
}

// For JSON, and for people: what is no plain character is left out.
static void plain(char *text) {
  for (; *text != '\0'; text++)
    if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\') *text = '?';
}

static void commandOf(pid_t pid, char *command) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  if (pid <= 0 || !readFirstLine(path, command, nameMax)) strcpy(command, "?");
  plain(command);
}

// Also one that nobody has noted: a storage daemon that names the folder where LIST lies.
static int isDaemonHere(pid_t pid) {
  static char all[1 << 16];
  char command[nameMax], path[64];
  commandOf(pid, command);
  if (strncmp(command, "qemu-storage-da", 15) != 0) return 0;
  snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  size_t length = fread(all, 1, sizeof all, file);
  fclose(file);
  return memmem(all, length, folder, strlen(folder)) != NULL;
}

// The next daemon may have been started since PIDS was read. 0 is nobody of ours: that is one of another PID namespace.
static int isOwn(pid_t pid) {
  if (pid <= 0) return 0;
  if (isAmongOwn(pid)) return 1;
  readOwn();
  if (isAmongOwn(pid)) return 1;
  if (!isDaemonHere(pid)) return 0;
  addOwn(pid);
  return 1;
}

// 0: it takes nothing at present.
static int writeNote(const Image *image) {
  char name[pathMax];
  struct stat now;
  int note = open(image->note, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (note < 0) return 0;
  snprintf(name, sizeof name, "%s", image->path);
  char *file = basename(name);
  plain(file);
  // Who writes again and again, each time as another process, does not fill the disk with it.
  int isFull = fstat(note, &now) == 0 && now.st_size > noteBytesMax;
  int isWritten = isFull || dprintf(note, "{\"schema\":1,\"file\":\"%s\",\"pid\":%d,\"command\":\"%s\",\"at\":%lld}\n",
                                    file, image->pid, image->command, image->atMs) > 0;
  isWritten = fsync(note) == 0 && isWritten;
  close(note);
  snprintf(name, sizeof name, "%s", image->note);
  int above = open(dirname(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (above >= 0) fsync(above), close(above);
  return isWritten;
}

// Whoever has somebody start from the images takes LIST away before: what is written after that is not noted.
static void noteDue(void) {
  int isAny = 0;
  for (int i = 0; i < imageCount; i++) isAny |= images[i].isDue;
  if (!isAny) return;
  if (access(listPath, F_OK) != 0 || access(pidsPath, F_OK) != 0) exit(0);
  for (int i = 0; i < imageCount; i++)
    if (images[i].isDue && writeNote(&images[i])) images[i].isDue = 0, images[i].isNoted = 1;
}

static void writtenBy(Image *image, pid_t pid, const char *command) {
  int isSame = image->pid == pid && strcmp(image->command, command) == 0;
  // Where somebody has taken the note away it counts again.
  if (isSame && (image->isDue || (image->isNoted && access(image->note, F_OK) == 0))) return;
  if (image->isDue) noteDue();
  image->pid = pid;
  snprintf(image->command, sizeof image->command, "%s", command);
  image->atMs = msOf(CLOCK_REALTIME);
  image->isDue = 1;
}

// By what it is and not by its name: an image may have more than one.
static void noteFile(const struct stat *written, pid_t pid, const char *command) {
  for (int i = 0; i < imageCount; i++)
    if (images[i].inode == written->st_ino && images[i].device == written->st_dev) writtenBy(&images[i], pid, command);
}

static void noteAny(pid_t pid, const char *command) {
  for (int i = 0; i < imageCount; i++) writtenBy(&images[i], pid, command);
}

static void noteEvent(const struct fanotify_event_metadata *event) {
  char command[nameMax];
  struct stat written;
  if (event->mask & FAN_Q_OVERFLOW) return noteAny(0, "somebody unseen (too many writes at once)");
  if (isOwn(event->pid)) return;
  commandOf(event->pid, command);
  if (event->pid <= 0) strcpy(command, "a process out of sight");
  if (event->fd < 0 || fstat(event->fd, &written) != 0) noteAny(event->pid, command);
  else noteFile(&written, event->pid, command);
}

static void readEvents(void) {
  static char buffer[eventBytes] __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
  ssize_t left;
  while ((left = read(group, buffer, sizeof buffer)) > 0) {
    struct fanotify_event_metadata *event = (void *)buffer;
    for (; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left)) {
      noteEvent(event);
      if (event->fd >= 0) close(event->fd);
    }
  }
  if (left < 0 && errno != EAGAIN && errno != EINTR) fail("fanotify");
}

// What writes through a loop device is the kernel, of which no event comes: whoever has one that may be written counts as a writer.
static void lookAtLoops(void) {
  DIR *blocks = opendir("/sys/block");
  if (blocks == NULL) return;
  for (struct dirent *entry; (entry = readdir(blocks)) != NULL;) {
    char path[pathMax], backing[pathMax], readOnly[8], command[nameMax];
    struct stat written;
    if (strncmp(entry->d_name, "loop", 4) != 0) continue;
    snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", entry->d_name);
    if (!readFirstLine(path, backing, sizeof backing)) continue;
    snprintf(path, sizeof path, "/sys/block/%s/ro", entry->d_name);
    if (readFirstLine(path, readOnly, sizeof readOnly) && readOnly[0] == '1') continue;
    snprintf(command, sizeof command, "loop device %.60s", entry->d_name);
    if (stat(backing, &written) == 0) noteFile(&written, 0, command);
  }
  closedir(blocks);
}

// 0: another watch has taken over.
static int sayThatItLooks(int isFirst) {
  char path[pathMax], text[32];
  snprintf(path, sizeof path, "%s.pid", listPath);
  if (!isFirst) return readFirstLine(path, text, sizeof text) && atoi(text) == getpid() && utimensat(AT_FDCWD, path, NULL, 0) == 0;
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail(path);
  dprintf(file, "%d\n", getpid());
  close(file);
  return 1;
}

// What was told is of the images as they were listed before.
static int look(int isAll) {
  readEvents();
  if (isAll) lookAtLoops();
  noteDue();
  if (!lookAtList(isAll)) return 0;
  return !isAll || sayThatItLooks(0);
}

int main(int count, char **args) {
  if (count != 3) {
    fprintf(stderr, "usage: holdfast-watch LIST PIDS\n");
    return 2;
  }
  listPath = args[1];
  pidsPath = args[2];
  char text[pathMax];
  snprintf(text, sizeof text, "%s", listPath);
  snprintf(folder, sizeof folder, "%.4000s/", dirname(text));
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  int endFd = signalfd(-1, &ends, SFD_CLOEXEC);
  if (endFd < 0) fail("signalfd");
  group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_LARGEFILE | O_CLOEXEC);
  if (group < 0) fail("fanotify");
  readOwn();
  if (!lookAtList(1)) return 0;
  sayThatItLooks(1);
  struct pollfd told[] = {{.fd = endFd, .events = POLLIN}, {.fd = group, .events = POLLIN}};
  for (long long allAt = 0;;) {
    // At once where nothing was written for a while: a process that is short-lived is still there to be named.
    int isTold = poll(told, 2, lookMs) > 0;
    int isOver = isTold && told[0].revents != 0;
    int isAll = isOver || msOf(CLOCK_MONOTONIC) >= allAt;
    if (isAll) allAt = msOf(CLOCK_MONOTONIC) + lookAllMs;
    if (!look(isAll) || isOver) return 0;
    if (isTold) poll(told, 1, restMs);
  }
}
