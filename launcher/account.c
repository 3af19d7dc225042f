#include "launcher/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/template.h"

static int fill_in(const struct passwd *pw, struct account *account)
{
    const struct group *gr = getgrgid(pw->pw_gid);
    struct account a = {.privileged = true, .uid = pw->pw_uid, .gid = pw->pw_gid};

    if (gr == NULL) {
        log_error("the group %u of user %s has no name", pw->pw_gid, pw->pw_name);
        return -ENOENT;
    }
    if (strlen(pw->pw_name) >= sizeof(a.user) || strlen(gr->gr_name) >= sizeof(a.group) ||
        template_check_string(pw->pw_name) != NULL || template_check_string(gr->gr_name) != NULL) {
        log_error("nginx cannot run as user %s, group %s: pass --user NAME", pw->pw_name,
                  gr->gr_name);
        return -EINVAL;
    }
    strcpy(a.user, pw->pw_name);
    strcpy(a.group, gr->gr_name);
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
    if (pw != NULL)
        return fill_in(pw, account);
    if (user == NULL && owner != 0)
        log_error("uid %u, the owner, has no name: pass --user NAME", owner);
    else
        log_error("there is no user %s: pass --user NAME", user != NULL ? user : "nobody");
    return -ENOENT;
}

/* The exit status of the child: 0 or an errno. */
static int try_as(const struct account *account, const char *path)
{
    if (account->privileged && (initgroups(account->user, account->gid) < 0 ||
                                setgid(account->gid) < 0 || setuid(account->uid) < 0))
        return errno;
    return access(path, R_OK | W_OK | X_OK) < 0 ? errno : 0;
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

int account_append_directive(const struct account *account, struct buf *out)
{
    int rc;

    if (!account->privileged)
        return 0;
    rc = buf_append_string(out, "user ");
    if (rc == 0)
        rc = template_quote(account->user, out);
    if (rc == 0)
        rc = buf_append_string(out, " ");
    if (rc == 0)
        rc = template_quote(account->group, out);
    return rc == 0 ? buf_append_string(out, ";") : rc;
}
