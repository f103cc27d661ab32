# shellcheck shell=bash
# Sourced by the other scripts: tools that are installed when they are missing.

# need_cargo_tool SUBCOMMAND VERSION: installs `cargo-SUBCOMMAND` unless some version of it is there.
need_cargo_tool() {
    if ! cargo "$1" --version >/dev/null 2>&1; then
        echo "== installing cargo-$1 $2 (once, some minutes)" >&2
        cargo install --quiet --locked "cargo-$1@$2" </dev/null
    fi
}

apt() { DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq "$@" </dev/null >/dev/null; }
apt_install() { apt install -y --no-install-recommends "$1"; }

# need_program PROGRAM WHAT: installs the Debian package of the same name where that is possible, and
# otherwise says what is left out without it.
need_program() {
    command -v "$1" >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "== installing $1" >&2
        apt_install "$1" || { apt update && apt_install "$1"; } || true
    fi
    command -v "$1" >/dev/null || echo "== SKIPPED: $1 is not installed, so $2" >&2
}

# need_ansible VERSION WHAT: puts ansible-core from PyPI into target/ansible, for tests only, or says what is left out.
need_ansible() {
    local home=target/ansible
    "$home/bin/python" -c 'import ansible.modules.lineinfile' 2>/dev/null && return
    echo "== installing ansible-core $1 into $home (for tests)" >&2
    { rm -rf "$home" && python3 -m venv "$home" && "$home/bin/pip" install -q "ansible-core==$1"; } </dev/null >/dev/null 2>&1 ||
        echo "== SKIPPED: ansible-core cannot be had from PyPI, so $2" >&2
}

# need_sshd WHAT: puts the files of the package openssh-server into target/sshd, for tests only, or says what is left out.
# Nothing is installed.
need_sshd() {
    local home=target/sshd
    [ -x /usr/sbin/sshd ] || [ -x "$home/usr/sbin/sshd" ] && return
    echo "== unpacking openssh-server into $home (for tests)" >&2
    (
        mkdir -p "$home" && cd "$home"
        apt-get download -qq openssh-server libwrap0 || { apt update && apt-get download -qq openssh-server libwrap0; }
        for package in *.deb; do dpkg -x "$package" .; done
        rm -f ./*.deb
    ) </dev/null >/dev/null 2>&1 || true
    [ -x "$home/usr/sbin/sshd" ] || echo "== SKIPPED: openssh-server cannot be had, so $1" >&2
}

# need_postgres: a PostgreSQL server for tests, which start clusters of their own. In CI no test may do without.
need_postgres() {
    has_postgres() { compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null; }
    if ! has_postgres && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "== installing postgresql" >&2
        apt_install postgresql || { apt update && apt_install postgresql; } || true
    fi
    if [ "${CI:-}" = true ]; then
        export SLOTH_TEST_POSTGRES=required
    else
        has_postgres || echo "== SKIPPED: postgresql is not installed, so nothing is tried on a PostgreSQL server" >&2
    fi
}
