// Package session is the scenario language (../../README.md) for clients in Go.
package session

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
)

// FetchPartitionBytes and FetchBytes are the small limits that consumers fetch with.
const (
	FetchPartitionBytes = 32768
	FetchBytes          = 65536
	RequestBytes        = 16 << 20
)

// Call is a command's arguments and options.
type Call struct {
	Args    []string
	Options map[string]string
}

// Int is an argument as a number.
func (c Call) Int(at int) int {
	value, err := strconv.Atoi(c.Args[at])
	if err != nil {
		panic(err)
	}
	return value
}

// Option is an option's value, or what stands for its absence.
func (c Call) Option(name, otherwise string) string {
	if value, there := c.Options[name]; there {
		return value
	}
	return otherwise
}

// Number is an option as a number, 0 without it.
func (c Call) Number(name string) int {
	value, err := strconv.Atoi(c.Option(name, "0"))
	if err != nil {
		panic(err)
	}
	return value
}

// Commands by verb; each answers the words after `ok`.
type Commands map[string]func(Call) (string, error)

// Cannot is the error of a call or option that the library does not have.
type Cannot string

func (c Cannot) Error() string { return string(c) }

// Code finds Kafka's number in a library's error; 0 means that it has none.
type Code func(error) int

// Serve obeys the lines of standard input.
func Serve(commands Commands, code Code) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		call := Call{Options: map[string]string{}}
		for _, word := range words[1:] {
			if name, value, is := strings.Cut(word, "="); is {
				call.Options[name] = value
			} else {
				call.Args = append(call.Args, word)
			}
		}
		fmt.Println(strings.Join(strings.Fields(answer(commands, code, words[0], call)), " "))
	}
}

func answer(commands Commands, code Code, verb string, call Call) string {
	obey, there := commands[verb]
	if !there {
		return "cannot no call for " + verb
	}
	said, err := obey(call)
	var cannot Cannot
	switch {
	case err == nil:
		return "ok " + said
	case errors.As(err, &cannot):
		return "cannot " + string(cannot)
	case code(err) > 0:
		return fmt.Sprintf("error %d %v", code(err), err)
	default:
		return fmt.Sprintf("error client %v", err)
	}
}

// Version is the version of a module that the program was built with.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}

// Pairs is `0=5 1=7`.
func Pairs(offsets map[int32]int64) string {
	partitions := make([]int, 0, len(offsets))
	for partition := range offsets {
		partitions = append(partitions, int(partition))
	}
	sort.Ints(partitions)
	words := []string{}
	for _, partition := range partitions {
		words = append(words, fmt.Sprintf("%d=%d", partition, offsets[int32(partition)]))
	}
	return strings.Join(words, " ")
}
