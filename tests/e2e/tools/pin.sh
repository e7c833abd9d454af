#!/bin/sh
# pin.sh VERSION: writes kubernetes-VERSION/go.mod and go.sum, the pins of that Kubernetes release for ../tools.sh. For maintainers: it
# needs the network and a Go at least as new as the release wants; what it writes is committed.
#
# k8s.io/kubernetes requires its staging modules at v0.0.0 and replaces them by folders of its own tree. Here the same modules, and only
# these, are replaced by what was published from those folders: 1.36.3 has them at v0.36.3. Tools are added by `go mod edit`, for
# `go get -tool` would move to a newer release. At the end each module must stand at the version that the release itself names.
set -eu
version=${1:?version, such as 1.36.3}
staging=v0.${version#*.}
cd "$(dirname "$0")"
export GOWORK=off GOTOOLCHAIN=local GOFLAGS=
field() { sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",*\$/\1/p"; }

release=$(go mod download -json "k8s.io/kubernetes@v$version" | field GoMod)
folder=kubernetes-$version
rm -rf "$folder"
mkdir "$folder"
printf 'module latency-mesh/tests/e2e/tools/%s\n' "$folder" >"$folder/go.mod"
cd "$folder"
go mod edit -go="$(awk '$1 == "go" { print $2 }' "$release")" -require="k8s.io/kubernetes@v$version"
for module in $(awk '$1 ~ "^k8s[.]io/" && $2 == "v0.0.0" { print $1 }' "$release"); do
	go mod edit -replace="$module=$module@$staging"
done
for tool in kube-apiserver kube-controller-manager kube-scheduler kubectl kubelet; do
	go mod edit -tool="k8s.io/kubernetes/cmd/$tool"
done
go mod tidy

awk -v staging="$staging" '
	$2 !~ /^v[0-9]/ { next }
	FNR == NR { wanted[$1] = $2; next }
	$1 != "k8s.io/kubernetes" && $1 in wanted && $2 != wanted[$1] && !(wanted[$1] == "v0.0.0" && $2 == staging) {
		print $1 " is at " $2 ", the release has " wanted[$1]
		drift = 1
	}
	END { exit drift }' "$release" go.mod
