# latency-mesh in images: one target a program. `make images` builds them all; one by hand is
#
#   docker build --target sched --tag latency-sched:0.1.0 .        (or podman, or buildah bud)
#
# A program's image holds the program, the libraries it is linked with, their licences, and a line for the user 65532 in /etc/passwd:
# no shell, no package manager, no loader cache. Nothing here names an architecture, so that --platform linux/arm64 is all it takes.
#
# BASE      the Debian 12 to build on; images.sh makes one where no hub is to be had
# VERSION   of the label and of --version; REVISION  the commit; CREATED  its time
ARG BASE=debian:12-slim

# --- a Debian that can build ---------------------------------------------------------------------------------------------
FROM ${BASE} AS tools
RUN apt-get update && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev libcap2-bin libcjson-dev \
		libcurl4-openssl-dev libgnutls28-dev libmicrohttpd-dev liboping-dev libyaml-dev make pkg-config && \
	rm -rf /var/lib/apt/lists/*

# --- the root file systems of the images, in /image/TARGET ---------------------------------------------------------------
FROM tools AS build
ARG VERSION=0.1.0
ARG REVISION=
COPY . /src
WORKDIR /src
RUN set -eu; \
	commit=$(echo "$REVISION" | sed 's/\([0-9a-f]\{12\}\)[0-9a-f]*/\1/'); \
	make -j "$(nproc)" CC=gcc BUILD=/build VERSION="$VERSION${commit:++$commit}" all; \
	install -D -s -t /image/probe/usr/bin /build/latency-probe; \
	install -D -s -t /image/merge/usr/bin /build/latency-merge /build/check-mount; \
	install -D -s -t /image/sched/usr/bin /build/latency-sched

# The packages that libraries come from are named where scanners look for them (dpkg's status.d, as in distroless images).
RUN set -eu; \
	for root in /image/*; do \
		mkdir -p "$root/etc" "$root/var/lib/dpkg/status.d"; \
		echo 'latency:x:65532:65532:latency-mesh:/:/nonexistent' >"$root/etc/passwd"; \
		echo 'latency:x:65532:' >"$root/etc/group"; \
		for library in $(ldd "$root"/usr/bin/* | grep -o '/[^ ]* (' | tr -d '(' | sort -u); do \
			cp -L --parents "$library" "$root"; \
			package=$(dpkg-query -S "*/${library##*/}" | grep -m 1 -v ^diversion | cut -d : -f 1); \
			dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"; \
			cp -L --parents "/usr/share/doc/$package/copyright" "$root"; \
		done; \
	done

# Kubernetes gives a user other than root no effective capability; this gives the probe the one it pings with, wherever the container
# has it. (In a container without NET_RAW the kernel refuses to start a program that claims it.)
RUN setcap cap_net_raw+ep /image/probe/usr/bin/latency-probe

# --- the images ----------------------------------------------------------------------------------------------------------
FROM scratch AS probe
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
COPY --from=build /image/probe/ /
USER 65532:65532
ENTRYPOINT ["/usr/bin/latency-probe"]
LABEL org.opencontainers.image.title="latency-probe" \
	org.opencontainers.image.description="latency-mesh: pings every node and writes what it saw to the shared volume" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.created="$CREATED" \
	org.opencontainers.image.licenses="Apache-2.0"

FROM scratch AS merge
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
COPY --from=build /image/merge/ /
USER 65532:65532
ENTRYPOINT ["/usr/bin/latency-merge"]
LABEL org.opencontainers.image.title="latency-merge" \
	org.opencontainers.image.description="latency-mesh: folds what the probes saw into one matrix" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.created="$CREATED" \
	org.opencontainers.image.licenses="Apache-2.0"

FROM scratch AS sched
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
COPY --from=build /image/sched/ /
USER 65532:65532
ENTRYPOINT ["/usr/bin/latency-sched"]
LABEL org.opencontainers.image.title="latency-sched" \
	org.opencontainers.image.description="latency-mesh: a scheduler that places pods where the network is fast" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.created="$CREATED" \
	org.opencontainers.image.licenses="Apache-2.0"

# The NFS server of nfs/nfs-server.yaml, to try things with: a Debian with NFS-Ganesha. nfs/ganesha.conf says why what is set.
FROM ${BASE} AS nfs-server
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
RUN apt-get update && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nfs-ganesha nfs-ganesha-vfs && \
	rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* && \
	mkdir -p /share /run/ganesha /var/lib/nfs/ganesha && \
	ln -sf /proc/mounts /etc/mtab
COPY nfs/ganesha.conf /etc/ganesha/ganesha.conf
EXPOSE 2049
ENTRYPOINT ["/usr/bin/ganesha.nfsd", "-F", "-L", "STDOUT", "-N", "NIV_EVENT", "-p", "/run/ganesha/ganesha.pid"]
LABEL org.opencontainers.image.title="latency-nfs-server" \
	org.opencontainers.image.description="latency-mesh: an NFS server to try it with, not for production" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.created="$CREATED" \
	org.opencontainers.image.licenses="Apache-2.0"
