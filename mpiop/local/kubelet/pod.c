/* Lets processes of one machine live as if each Pod were a host of its own.
 *
 * Preloaded in plain mode, where there are no namespaces. What it answers stands in
 * the environment of the Pod's processes:
 *
 *   MPIOP_HOSTNAME  the host's name: MPI tells hosts apart by it, and hangs where two
 *                   are the same
 *   MPIOP_ADDRESS   an address of 127.0.0.0/8 of the Pod's own
 *   MPIOP_PORTS     ",PORT,...,": who wants one of these on every address gets it on
 *                   the Pod's own, so that two Pods may have the same port
 *   MPIOP_HOSTS     the hosts file in which names are looked up first
 *   MPIOP_MOUNTS    TARGET=PLACE:..., for programs that have a mount point compiled in
 *
 * Without these a process is left as it is.
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef RTLD_NEXT /* _GNU_SOURCE would change the declaration of bind() */
#define RTLD_NEXT ((void *)-1L)
#endif
#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static const char *host(void) { return getenv("MPIOP_HOSTNAME"); }

/* The host's name. */

int uname(struct utsname *machine)
{
    int result = NEXT(uname)(machine);

    if (result == 0 && host() != NULL) {
        strncpy(machine->nodename, host(), sizeof machine->nodename - 1);
        machine->nodename[sizeof machine->nodename - 1] = '\0';
    }
    return result;
}

int gethostname(char *buffer, size_t size)
{
    struct utsname machine;

    if (uname(&machine) != 0)
        return -1;
    if (strlen(machine.nodename) >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(buffer, machine.nodename);
    return 0;
}

/* Its address. Other ports than those named stay on every address: MPI publishes the
 * machine's. */

static int named(in_port_t port)
{
    const char *ports = getenv("MPIOP_PORTS");
    char wanted[16];

    snprintf(wanted, sizeof wanted, ",%u,", (unsigned)ntohs(port));
    return ports != NULL && strstr(ports, wanted) != NULL;
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    const char *own = getenv("MPIOP_ADDRESS");
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    int only = 0;
    socklen_t size = sizeof only;

    if (own == NULL || address == NULL || inet_pton(AF_INET, own, &four.sin_addr) != 1)
        return NEXT(bind)(fd, address, length);
    if (address->sa_family == AF_INET && length >= sizeof four) {
        struct in_addr wanted = ((const struct sockaddr_in *)address)->sin_addr;
        struct in_addr mine = four.sin_addr;

        memcpy(&four, address, sizeof four);
        if (wanted.s_addr == htonl(INADDR_ANY) && named(four.sin_port)) {
            four.sin_addr = mine;
            return NEXT(bind)(fd, (const struct sockaddr *)&four, sizeof four);
        }
    } else if (address->sa_family == AF_INET6 && length >= sizeof six) {
        memcpy(&six, address, sizeof six);
        if (IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr) && named(six.sin6_port)) {
            getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size);
            if (only) { /* a Pod has no such address */
                errno = EADDRNOTAVAIL;
                return -1;
            }
            memset(six.sin6_addr.s6_addr + 10, 0xff, 2);
            memcpy(six.sin6_addr.s6_addr + 12, &four.sin_addr, 4);
            return NEXT(bind)(fd, (const struct sockaddr *)&six, sizeof six);
        }
    }
    return NEXT(bind)(fd, address, length);
}

/* Its neighbours. */

static int look_up(const char *name, char *address, size_t size)
{
    const char *path = getenv("MPIOP_HOSTS");
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t room = 0;
    int found = 0;

    if (file == NULL)
        return 0;
    while (!found && getline(&line, &room, file) != -1) {
        char *rest = NULL, *first = strtok_r(line, " \t\n", &rest), *word;

        while (!found && (word = strtok_r(NULL, " \t\n", &rest)) != NULL)
            found = strcasecmp(word, name) == 0;
        if (found)
            snprintf(address, size, "%s", first);
    }
    free(line);
    fclose(file);
    return found;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints,
                struct addrinfo **restrict result)
{
    char address[INET6_ADDRSTRLEN];

    if (name != NULL && strcmp(name, "localhost") != 0 &&
        look_up(name, address, sizeof address))
        name = address;
    return NEXT(getaddrinfo)(name, service, hints, result);
}

/* Its user: ssh and sshd want an account that exists, with a shell and a home. */

static struct passwd *made(uid_t uid)
{
    static char name[32], word[] = "x", nobody[] = "";
    static struct passwd one;

    snprintf(name, sizeof name, "user%lu", (unsigned long)uid);
    one.pw_name = name;
    one.pw_passwd = word;
    one.pw_gecos = nobody;
    one.pw_uid = uid;
    one.pw_gid = getgid();
    one.pw_dir = getenv("HOME") != NULL ? getenv("HOME") : nobody;
    one.pw_shell = nobody;
    return &one;
}

static struct passwd *usable(struct passwd *one)
{
    static char root[] = "/", shell[] = "/bin/sh";

    if (one == NULL || one->pw_uid != getuid())
        return one;
    if (one->pw_dir[0] != '/' || access(one->pw_dir, X_OK) != 0)
        one->pw_dir = root;
    if (one->pw_shell[0] == '\0' || strstr(one->pw_shell, "nologin") != NULL ||
        strstr(one->pw_shell, "/false") != NULL)
        one->pw_shell = shell;
    return one;
}

struct passwd *getpwuid(uid_t uid)
{
    struct passwd *found = NEXT(getpwuid)(uid);

    if (host() == NULL)
        return found;
    return usable(found == NULL && uid == getuid() ? made(uid) : found);
}

struct passwd *getpwnam(const char *name)
{
    struct passwd *found = NEXT(getpwnam)(name);

    if (host() == NULL)
        return found;
    if (found == NULL && strcmp(name, made(getuid())->pw_name) == 0)
        found = made(getuid());
    return usable(found);
}

/* A locked password opens no account, and locks out no key. */
struct spwd *getspnam(const char *name)
{
    static char none[] = "*";
    struct spwd *found = NEXT(getspnam)(name);

    if (host() != NULL && found != NULL && found->sp_pwdp[0] == '!')
        found->sp_pwdp = none;
    return found;
}

/* Its mount points. */

static const char *placed(const char *path, char *place, size_t size)
{
    const char *mounts = getenv("MPIOP_MOUNTS");
    size_t length = path != NULL ? strlen(path) : 0;

    while (length > 0 && mounts != NULL) {
        size_t end = strcspn(mounts, ":");

        if (end > length && mounts[length] == '=' && !strncmp(mounts, path, length)) {
            snprintf(place, size, "%.*s", (int)(end - length - 1), mounts + length + 1);
            return place;
        }
        mounts = mounts[end] == ':' ? mounts + end + 1 : NULL;
    }
    return path;
}

int chroot(const char *path)
{
    char place[4096];

    return NEXT(chroot)(placed(path, place, sizeof place));
}

int stat(const char *restrict path, struct stat *restrict found)
{
    char place[4096];

    return fstatat(AT_FDCWD, placed(path, place, sizeof place), found, 0);
}

/* The same by other names: of programs built for large files (one layout on 64 bits),
 * and of those that were linked with an older C library. */
int stat64(const char *path, struct stat *found) { return stat(path, found); }

int __xstat(int version, const char *path, struct stat *found)
{
    (void)version;
    return stat(path, found);
}
