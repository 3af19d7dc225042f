#include "launcher/nginx/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"

static int fill_in(const struct passwd *pw, struct account *account)
{
    struct account a = {.privileged = true, .uid = pw->pw_uid, .gid = pw->pw_gid};
    int n = ACCOUNT_GROUPS_MAX;

    if (strlen(pw->pw_name) >= sizeof(a.user) ||
        getgrouplist(pw->pw_name, pw->pw_gid, a.groups, &n) < 0) {
        log_error("nginx cannot run as user %s, whose name or list of groups is too long: pass "
                  "--user NAME",
                  pw->pw_name);
        return -EINVAL;
    }
    a.n_groups = (size_t)n;
    strcpy(a.user, pw->pw_name);
    *account = a;
    return 0;
}

int account_choose(const char *user, uid_t owner, struct account *account)
{
    const struct passwd *pw;

    if (geteuid() != 0) {
        if (user != NULL) {
            log_error("only root can choose --user %s", user);
            return -EPERM;
        }
        *account = (struct account){.uid = geteuid(), .gid = getegid()};
        return 0;
    }
    if (user != NULL)
        pw = getpwnam(user);
    else if (owner != 0)
        pw = getpwuid(owner);
    else if ((pw = getpwnam("www-data")) == NULL)
        pw = getpwnam("nobody");
    if (pw != NULL && pw->pw_uid == 0) {
        log_error("mkv and nginx do not serve as root: pass --user NAME of an ordinary user");
        return -EPERM;
    }
    if (pw != NULL)
        return fill_in(pw, account);
    if (user == NULL && owner != 0)
        log_error("uid %u, the owner, has no name: pass --user NAME", owner);
    else
        log_error("there is no user %s: pass --user NAME", user != NULL ? user : "nobody");
    return -ENOENT;
}

int account_assume(const struct account *account)
{
    if (account->privileged && (setgroups(account->n_groups, account->groups) < 0 ||
                                setgid(account->gid) < 0 || setuid(account->uid) < 0))
        return -errno;
    return 0;
}

int account_of_owner(uid_t uid, gid_t gid, struct account *account)
{
    const struct passwd *pw = getpwuid(uid);

    if (pw != NULL)
        return fill_in(pw, account);
    *account = (struct account){.privileged = true, .uid = uid, .gid = gid};
    snprintf(account->user, sizeof(account->user), "%u", (unsigned)uid);
    return 0;
}

/* Whether each of our ids is the account's, and root's can't be had again. */
static bool is_nobody_else(const struct account *account)
{
    uid_t u[3];
    gid_t g[3];

    if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
        return false;
    for (int i = 0; i < 3; i++) {
        if (u[i] != account->uid || g[i] != account->gid)
            return false;
    }
    return account->uid == 0 || setuid(0) < 0;
}

/* Root's, most likely: libraries that look for files there go by the user then. */
static void forget_home(void)
{
    const char *home = getenv("HOME");

    if (home != NULL && access(home, X_OK) < 0)
        unsetenv("HOME");
}

int account_become(struct account *account)
{
    int rc;

    if (!account->privileged)
        return 0;
    rc = account_assume(account);
    if (rc == 0 && !is_nobody_else(account))
        rc = -EPERM;
    if (rc < 0) {
        log_error("cannot become user %s: %s", account->user, strerror(-rc));
        return rc;
    }
    account->privileged = false;
    forget_home();
#ifdef __SANITIZE_ADDRESS__
    /* Else the leak checker, another process, can't look into this one. */
    prctl(PR_SET_DUMPABLE, 1);
#endif
    return 0;
}

int account_give(const struct account *account, int fd)
{
    if (account->privileged && fchown(fd, account->uid, account->gid) < 0)
        return -errno;
    return 0;
}

/* The exit status of the child: 0 or an errno. */
static int try_as(const struct account *account, const char *path)
{
    int rc = account_assume(account);

    if (rc < 0)
        return -rc;
    if (access(path, R_OK | W_OK | X_OK) == 0)
        return 0;
    return errno == EROFS && access(path, R_OK | X_OK) == 0 ? 0 : errno;
}

int account_try_directory(const struct account *account, const char *path)
{
    pid_t pid = fork();
    int status;

    if (pid < 0)
        return -errno;
    if (pid == 0)
        _exit(try_as(account, path));
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}
