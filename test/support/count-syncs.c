/* Preloaded into QEMU by a test: notes each fdatasync once the kernel is through with it, and before QEMU knows. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int end = real(fd);
    int why = errno;
    const char *log = getenv("HOLDFAST_SYNC_LOG");
    int out = log == NULL || end != 0 ? -1 : open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (out >= 0) {
        const char *name = program_invocation_short_name;
        size_t length = 0;

        while (name[length] != '\0')
            length++;
        if (write(out, name, length) < 0 || write(out, "\n", 1) < 0)
            abort();
        close(out);
    }
    errno = why;
    return end;
}
