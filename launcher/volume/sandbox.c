/* Landlock bounds what can be opened; the filter bounds what can be asked of the kernel. The filter
 * is a list of what is denied, with EPERM: a server needs no such call, and a new libc that begins
 * to use a harmless one isn't broken by it. */
#include "launcher/volume/sandbox.h"

#include <asm/ioctls.h>
#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Landlock -------------------------------------------------------------------------------- */

/* From linux/landlock.h of Linux 6.12, for older headers have less of it. See
 * https://docs.kernel.org/userspace-api/landlock.html */
#define LANDLOCK_CREATE_RULESET 444 /* system calls, the same everywhere */
#define LANDLOCK_ADD_RULE       445
#define LANDLOCK_RESTRICT_SELF  446
#define CREATE_VERSION          (1U << 0)
#define RULE_PATH_BENEATH       1

#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_DIR  (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR    (1ULL << 7)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_FIRST       ((1ULL << 13) - 1) /* the rights of version 1 */
#define FS_REFER       (1ULL << 13)       /* version 2: links and renames between directories */
#define FS_TRUNCATE    (1ULL << 14)       /* version 3 */
#define FS_IOCTL_DEV   (1ULL << 15)       /* version 5 */
#define NET_TCP        (3ULL)             /* version 4: bind and connect */
#define SCOPES         (3ULL)             /* version 6: abstract sockets and signals of others */

#define VERSION_LEAST 2 /* in version 1 nothing can be linked or renamed to another directory */

struct ruleset_attribute {
    uint64_t fs;
    uint64_t net;
    uint64_t scopes;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* What the server does in its directory. */
static const uint64_t allowed = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR |
                                FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE;

/* All rights that this version knows: what is handled and not allowed is denied. */
static struct ruleset_attribute handled_by(long version)
{
    struct ruleset_attribute all = {.fs = FS_FIRST | FS_REFER};

    if (version >= 3)
        all.fs |= FS_TRUNCATE;
    if (version >= 4)
        all.net = NET_TCP;
    if (version >= 5)
        all.fs |= FS_IOCTL_DEV;
    if (version >= 6)
        all.scopes = SCOPES;
    return all;
}

/* A kernel refuses a structure with more in it than it knows. */
static size_t size_for(long version)
{
    if (version >= 6)
        return sizeof(struct ruleset_attribute);
    return version >= 4 ? offsetof(struct ruleset_attribute, scopes)
                        : offsetof(struct ruleset_attribute, net);
}

static int allow_beneath(int ruleset, int directory, uint64_t rights)
{
    struct path_beneath rule = {.allowed = rights, .parent = directory};

    return syscall(LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

/* What file system it is (sync_disk.c) stands there; and the leak checker of the sanitizer builds
 * reads its own process. */
static int allow_proc(int ruleset)
{
#ifdef __SANITIZE_ADDRESS__
    const uint64_t rights = FS_READ_FILE | FS_READ_DIR;
    int fd = open("/proc", O_PATH | O_CLOEXEC);
#else
    const uint64_t rights = FS_READ_FILE;
    int fd = open("/proc/self/mountinfo", O_PATH | O_CLOEXEC);
#endif
    int rc;

    if (fd < 0)
        return 0;
    rc = allow_beneath(ruleset, fd, rights);
    close(fd);
    return rc;
}

static int enter_landlock(int directory, bool *landlocked)
{
#ifdef MKV_COVERED
    long version = 0; /* counters are written to where the build is */
#else
    long version = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, CREATE_VERSION);
#endif
    struct ruleset_attribute all = handled_by(version);
    int ruleset;
    int rc;

    *landlocked = false;
    if (version < VERSION_LEAST)
        return 0;
    ruleset = (int)syscall(LANDLOCK_CREATE_RULESET, &all, size_for(version), 0);
    if (ruleset < 0)
        return -errno;
    rc = allow_beneath(ruleset, directory, allowed & all.fs);
    if (rc == 0)
        rc = allow_proc(ruleset);
    if (rc == 0 && syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) < 0)
        rc = -errno;
    close(ruleset);
    *landlocked = rc == 0;
    return rc;
}

/* --- The filter ------------------------------------------------------------------------------ */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define NUMBERS_END  0x40000000U /* from here on they are of the ABI x32 */
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#endif

#ifdef ARCHITECTURE

/* Calls that older headers don't have; their numbers are the same everywhere. */
#define FCHMODAT2      452
#define SETXATTRAT     463
#define GETXATTRAT     464
#define LISTXATTRAT    465
#define REMOVEXATTRAT  466
#define OPEN_TREE_ATTR 467
#define FILE_GETATTR   468
#define FILE_SETATTR   469

static const int denied[] = {
    /* other programs and processes */
    SYS_execve,
    SYS_execveat,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_process_madvise,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_sched_setscheduler,
    SYS_sched_setparam,
    SYS_sched_setattr,
    SYS_sched_setaffinity,
    SYS_setpgid, /* mkv ends us by our group */
    SYS_setsid,
#ifndef __SANITIZE_ADDRESS__
    SYS_ptrace, /* which is how the leak checker looks at its own threads */
#endif
    /* other machines, and other servers of this one: it accepts on the socket that it was given */
    SYS_socket,
    SYS_socketpair, /* one for datagrams sends them to any socket that has a name */
    SYS_connect,
    SYS_bind,
    SYS_sendmsg, /* these connect, too (MSG_FASTOPEN): a socket that listened and was shut down */
    SYS_sendmmsg,
    /* what other processes of our user share */
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_semget,
    SYS_semop,
    SYS_semtimedop,
    SYS_semctl,
    SYS_mq_open,
    SYS_mq_unlink,
    /* ids and rights */
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    SYS_personality,
    /* mounts and namespaces */
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    OPEN_TREE_ATTR,
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
    SYS_swapon,
    SYS_swapoff,
    SYS_quotactl,
    SYS_acct,
    /* what belongs to a file and Landlock leaves alone, by a name that may be anywhere: we do that
     * to files that are open */
    SYS_truncate, /* before Landlock's version 3 */
#ifdef SYS_chmod
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
#endif
    SYS_fchmodat,
    FCHMODAT2,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SETXATTRAT,
    SYS_getxattr,
    SYS_lgetxattr,
    GETXATTRAT,
    SYS_listxattr,
    SYS_llistxattr,
    LISTXATTRAT,
    SYS_removexattr,
    SYS_lremovexattr,
    REMOVEXATTRAT,
    FILE_GETATTR,
    FILE_SETATTR,
#ifdef SYS_inotify_init
    SYS_inotify_init,
#endif
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    /* files by other ways than their names */
    SYS_open_by_handle_at,
    SYS_mknodat,
#ifdef SYS_mknod
    SYS_mknod,
#endif
    /* large and seldom used parts of the kernel, where its faults have been */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_fanotify_init,
    SYS_mbind,
    SYS_set_mempolicy,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_vmsplice,
    /* the machine itself */
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
    SYS_reboot,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_vhangup,
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

/* A call that is denied if an argument has that value, or `unless` it has. */
struct condition {
    int number;
    uint32_t field; /* half of an argument */
    uint32_t value;
    bool unless;
};

#define N_DENIED     (sizeof(denied) / sizeof(denied[0]))
#define N_CONDITIONS 12
#define PROGRAM_MAX  (2 * N_DENIED + 5 * N_CONDITIONS + 16)

#define DENY(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((error)&SECCOMP_RET_DATA))
#define ALLOW       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (field))
#define FIELD(name) ((uint32_t)offsetof(struct seccomp_data, name))

/* The halves of a call's argument. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOWER(i) FIELD(args[i])
#define UPPER(i) (FIELD(args[i]) + 4)
#else
#define LOWER(i) (FIELD(args[i]) + 4)
#define UPPER(i) FIELD(args[i])
#endif

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short n;
};

static void add(struct program *p, struct sock_filter instruction)
{
    p->code[p->n++] = instruction;
}

/* Whoever calls by the numbers of another architecture means to get around this list. */
static void add_head(struct program *p)
{
    add(p, (struct sock_filter)LOAD(FIELD(arch)));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    add(p, (struct sock_filter)LOAD(FIELD(nr)));
#ifdef NUMBERS_END
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NUMBERS_END, 0, 1));
    add(p, (struct sock_filter)DENY(EPERM));
#endif
}

/* Which argument of clone(2) has the flags. */
#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* Threads, and no processes. What clone3(2) is to make lies in memory, which a filter can't read;
 * libcs fall back to clone(2). */
static void add_clone(struct program *p)
{
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    add(p, (struct sock_filter)DENY(ENOSYS));
#ifndef __SANITIZE_ADDRESS__
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    add(p, (struct sock_filter)LOAD(LOWER(CLONE_FLAGS)));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1));
    add(p, (struct sock_filter)ALLOW);
    add(p, (struct sock_filter)DENY(EPERM));
#endif
}

/* The call's number is loaded, before and after. */
static void add_condition(struct program *p, const struct condition *c)
{
    unsigned char skip = c->unless ? 1 : 0;

    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->number, 0, 4));
    add(p, (struct sock_filter)LOAD(c->field));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->value, skip, !skip));
    add(p, (struct sock_filter)DENY(EPERM));
    add(p, (struct sock_filter)LOAD(FIELD(nr)));
}

static void add_conditions(struct program *p)
{
    const struct condition conditions[N_CONDITIONS] = {
        /* signals go to our own threads, as abort(3) sends them */
        {SYS_tgkill, LOWER(0), (uint32_t)getpid(), true},
        /* nor may the kernel send them for us */
        {SYS_fcntl, LOWER(1), F_SETOWN, false},
        {SYS_fcntl, LOWER(1), F_SETOWN_EX, false},
        {SYS_fcntl, LOWER(1), F_SETSIG, false},
        {SYS_ioctl, LOWER(1), FIOSETOWN, false},
        {SYS_ioctl, LOWER(1), SIOCSPGRP, false},
        /* we end with mkv */
        {SYS_prctl, LOWER(0), PR_SET_PDEATHSIG, false},
        /* limits are our own */
        {SYS_prlimit64, LOWER(0), 0, true},
        /* times are set of open files, without a name */
        {SYS_utimensat, LOWER(1), 0, true},
        {SYS_utimensat, UPPER(1), 0, true},
        /* what is sent goes to whoever has connected, as of SYS_sendmsg above */
        {SYS_sendto, LOWER(4), 0, true},
        {SYS_sendto, UPPER(4), 0, true},
    };

    for (size_t i = 0; i < N_CONDITIONS; i++)
        add_condition(p, &conditions[i]);
}

static int enter_filter(void)
{
    struct program p = {.n = 0};
    struct sock_fprog program = {.filter = p.code};

    add_head(&p);
    add_clone(&p);
    add_conditions(&p);
    for (size_t i = 0; i < N_DENIED; i++) {
        add(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)denied[i], 0, 1));
        add(&p, (struct sock_filter)DENY(EPERM));
    }
    add(&p, (struct sock_filter)ALLOW);
    program.len = p.n;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return errno == EINVAL ? -ENOSYS : -errno;
    return 0;
}

#else /* an architecture whose calls nobody has looked at */

static int enter_filter(void)
{
    return -ENOSYS;
}

#endif

int sandbox_enter(int directory, bool *landlocked)
{
    int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

    if (rc == 0)
        rc = enter_landlock(directory, landlocked);
    return rc == 0 ? enter_filter() : rc;
}
