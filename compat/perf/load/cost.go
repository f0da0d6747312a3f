package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The kernel counts CPU time for /proc in hundredths of a second on every architecture that Linux has today.
const ticksPerSecond = 100

// A moment, and the CPU seconds that the broker had taken by then.
type moment struct {
	pid int
	at  time.Time
	cpu float64
}

func now(pid int) moment {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		fail("%v", err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		count, err := strconv.Atoi(field)
		if err != nil {
			fail("%v", err)
		}
		ticks += count
	}
	return moment{pid, time.Now(), float64(ticks) / ticksPerSecond}
}

// since answers seconds, and the broker's CPU seconds in them.
func (m moment) since() (seconds, cpu float64) {
	end := now(m.pid)
	return end.at.Sub(m.at).Seconds(), end.cpu - m.cpu
}
