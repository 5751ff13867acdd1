// Package discover stands in for the library by which a Consul agent finds servers to join in a dozen clouds
// (retry_join with provider=…), and knows none: see ../get_consul.sh. It has what the agent calls, and no more.
package discover

import (
	"errors"
	"log"
)

// Provider asks one cloud.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
}

// Providers is what an agent starts from.
var Providers map[string]Provider

// Discover asks a provider by name.
type Discover struct{}

// Option sets up a Discover.
type Option func(*Discover) error

// New takes the options and needs none of them.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// WithUserAgent is what clouds would be told.
func WithUserAgent(string) Option { return nil }

// WithProviders is what could be asked.
func WithProviders(map[string]Provider) Option { return nil }

// Names is who can be asked: nobody.
func (*Discover) Names() []string { return nil }

// Addrs says so.
func (*Discover) Addrs(string, *log.Logger) ([]string, error) {
	return nil, errors.New("this Consul was built without clouds to discover")
}
