/* What the kernel and the disk cost for the same work with no engine around it.
 *
 *   floor true                          nothing
 *   floor chain N [LOG]                 N times /bin/sh -c "echo task i", output read through a pipe, one after the other;
 *                                       with LOG, 4 KiB of that file are overwritten and flushed before each
 *   floor write DIR N full|fast         N new files of 200 bytes, mode 0640: temporary file, rename; `full` adds fsync of
 *                                       each file and one of the directory
 *   floor verify DIR N                  open, fstat, read and compare each of them; prints how many differ
 *   floor commit FILE N                 N times append 4 KiB and fdatasync: the price of one durable commit
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { SIZE = 200 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void body(char *out, int index) {
  char head[32];
  int length = snprintf(head, sizeof head, "file %05d ", index);
  memset(out, 'x', SIZE - 1);
  memcpy(out, head, (size_t)length);
  out[SIZE - 1] = '\n';
}

static void chain(int count, const char *where) {
  static char page[4096];
  int log = where ? open(where, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (where && log < 0) die(where);
  for (int i = 1; i <= count; i++) {
    char line[64], sink[256];
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    page[0] = (char)i;
    if (where && (pwrite(log, page, sizeof page, (off_t)(i % 64) * 4096) != sizeof page || fdatasync(log))) die(where);
    snprintf(line, sizeof line, "echo task %d", i);
    char *argv[] = {"/bin/sh", "-c", line, NULL};
    if (pipe2(ends, O_CLOEXEC)) die("pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    if (posix_spawn(&child, argv[0], &actions, NULL, argv, environ)) die("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (read(ends[0], sink, sizeof sink) > 0) {}
    close(ends[0]);
    int status;
    if (waitpid(child, &status, 0) < 0 || status != 0) die("waitpid");
  }
}

static void write_files(const char *where, int count, int durable) {
  int directory = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) die(where);
  for (int i = 0; i < count; i++) {
    char content[SIZE], name[32], temporary[40];
    body(content, i);
    snprintf(name, sizeof name, "f%05d.conf", i);
    snprintf(temporary, sizeof temporary, ".f%05d.tmp", i);
    int file = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 || write(file, content, SIZE) != SIZE) die(temporary);
    if (fchmod(file, 0640)) die("fchmod");
    if (durable && fsync(file)) die("fsync");
    close(file);
    if (renameat(directory, temporary, directory, name)) die("renameat");
  }
  if (durable && fsync(directory)) die("fsync");
}

static void verify_files(const char *where, int count) {
  int directory = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC), different = 0;
  if (directory < 0) die(where);
  for (int i = 0; i < count; i++) {
    char content[SIZE], found[SIZE + 1], name[32];
    struct stat about;
    body(content, i);
    snprintf(name, sizeof name, "f%05d.conf", i);
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    int same = file >= 0 && !fstat(file, &about) && (about.st_mode & 07777) == 0640 &&
               read(file, found, sizeof found) == SIZE && !memcmp(found, content, SIZE);
    if (!same) different++;
    if (file >= 0) close(file);
  }
  printf("different=%d\n", different);
}

static void commits(const char *path, int count) {
  char page[4096];
  memset(page, 'p', sizeof page);
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) die(path);
  for (int i = 0; i < count; i++) {
    if (write(file, page, sizeof page) != sizeof page || fdatasync(file)) die(path);
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "true";
  if (!strcmp(what, "true")) return 0;
  if (!strcmp(what, "chain") && (argc == 3 || argc == 4)) return chain(atoi(argv[2]), argv[3]), 0;
  if (!strcmp(what, "write") && argc == 5) return write_files(argv[2], atoi(argv[3]), !strcmp(argv[4], "full")), 0;
  if (!strcmp(what, "verify") && argc == 4) return verify_files(argv[2], atoi(argv[3])), 0;
  if (!strcmp(what, "commit") && argc == 4) return commits(argv[2], atoi(argv[3])), 0;
  fprintf(stderr, "usage: floor true | chain N [LOG] | write DIR N full|fast | verify DIR N | commit FILE N\n");
  return 2;
}
