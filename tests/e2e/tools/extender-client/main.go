// extender-client asks two extenders in turns, as a kube-scheduler does, and says what a round trip costs: with kube-scheduler's own HTTPExtender, its JSON and its
// HTTP, nodeCacheCapable, one pod after the other. Of each pod, which has a uid of its own, both are asked by Filter and then by Prioritize; who is first changes.
//
//	extender-client ROUNDS http://127.0.0.1:8080 http://127.0.0.1:8081 <args.json
//
// Standard input is an ExtenderArgs with NodeNames. Standard output is two lines for each extender, in microseconds: filter MEDIAN P99, prioritize MEDIAN P99.
// Exit status 1: an extender failed; why is on standard error. Built by ../../tools.sh with the pins of kube-scheduler.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

const warmUp = 50

type extender struct {
	fwk.Extender
	filterUs, prioritizeUs []float64
}

func giveUp(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "extender-client:", err)
		os.Exit(1)
	}
}

func dial(url string) *extender {
	e, err := scheduler.NewHTTPExtender(&config.Extender{
		URLPrefix: url, FilterVerb: "filter", PrioritizeVerb: "prioritize", Weight: 1, NodeCacheCapable: true,
		HTTPTimeout: metav1.Duration{Duration: 5 * time.Second},
	})
	giveUp(err)
	return &extender{Extender: e}
}

func nodesOf(names []string) []fwk.NodeInfo {
	nodes := make([]fwk.NodeInfo, 0, len(names))
	for _, name := range names {
		info := framework.NewNodeInfo()
		info.SetNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		nodes = append(nodes, info)
	}
	return nodes
}

func usSince(begin time.Time) float64 { return float64(time.Since(begin).Nanoseconds()) / 1e3 }

// The answers must hold what was asked about, or the time is of something else.
func (e *extender) filter(pod *v1.Pod, nodes []fwk.NodeInfo, measured bool) {
	begin := time.Now()
	passed, failed, lost, err := e.Filter(pod, nodes)
	us := usSince(begin)
	giveUp(err)
	if len(passed)+len(failed)+len(lost) != len(nodes) {
		giveUp(fmt.Errorf("filter: %d, %d and %d of %d nodes", len(passed), len(failed), len(lost), len(nodes)))
	}
	if measured {
		e.filterUs = append(e.filterUs, us)
	}
}

func (e *extender) prioritize(pod *v1.Pod, nodes []fwk.NodeInfo, measured bool) {
	begin := time.Now()
	scores, _, err := e.Prioritize(pod, nodes)
	us := usSince(begin)
	giveUp(err)
	if len(*scores) != len(nodes) {
		giveUp(fmt.Errorf("prioritize: %d of %d nodes", len(*scores), len(nodes)))
	}
	if measured {
		e.prioritizeUs = append(e.prioritizeUs, us)
	}
}

func print(what string, us []float64) {
	slices.Sort(us)
	fmt.Printf("%s %.1f %.1f\n", what, us[len(us)/2], us[len(us)*99/100])
}

func main() {
	if len(os.Args) != 4 {
		giveUp(fmt.Errorf("usage: extender-client ROUNDS URL URL <args.json"))
	}
	rounds, err := strconv.Atoi(os.Args[1])
	giveUp(err)
	var args extenderv1.ExtenderArgs
	giveUp(json.NewDecoder(os.Stdin).Decode(&args))
	nodes := nodesOf(*args.NodeNames)
	extenders := []*extender{dial(os.Args[2]), dial(os.Args[3])}
	for i := -warmUp; i < rounds; i++ {
		args.Pod.UID = types.UID(fmt.Sprintf("0e3b0c2a-6d5f-4c7b-9a68-%012d", i+warmUp))
		for k := range extenders {
			extenders[(k+i+warmUp)%2].filter(args.Pod, nodes, i >= 0)
		}
		for k := range extenders {
			extenders[(k+i+warmUp)%2].prioritize(args.Pod, nodes, i >= 0)
		}
	}
	for _, e := range extenders {
		print("filter", e.filterUs)
		print("prioritize", e.prioritizeUs)
	}
}
