/*
 * A process as a kill leaves it that meets one of its threads in the midst of a write: the first thread is gone, and with it the
 * command line, while another one has a file open. It ends once its standard input does.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *hold(void *path)
{
    char byte;
    int file = open(path, O_RDWR);

    if (file < 0)
        return NULL;
    puts("open");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    _exit(0);
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc != 2 || pthread_create(&thread, NULL, hold, argv[1]) != 0)
        return 1;
    pthread_exit(NULL);
}
