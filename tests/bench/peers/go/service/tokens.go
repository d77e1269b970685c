package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A token names the tenants that it opens; it is a Redis set under the digest of its text.
type token struct {
	tenants []string
	until   time.Time
}

func (t *token) opens(tenant string) bool {
	for _, one := range t.tenants {
		if one == tenant {
			return true
		}
	}
	return false
}

// tokens keeps what was found for a second, so that a page costs no extra trip to Redis.
type tokens struct {
	redis *redis.Client
	mutex sync.RWMutex
	known map[string]*token
}

func newTokens(client *redis.Client) *tokens {
	return &tokens{redis: client, known: map[string]*token{}}
}

func (t *tokens) find(ctx context.Context, text string) (*token, error) {
	t.mutex.RLock()
	found := t.known[text]
	t.mutex.RUnlock()
	if found != nil && time.Now().Before(found.until) {
		return found, nil
	}
	digest := sha256.Sum256([]byte(text))
	tenants, err := t.redis.SMembers(ctx, "token:"+hex.EncodeToString(digest[:])).Result()
	if err != nil {
		return nil, err
	}
	if len(tenants) == 0 {
		return nil, redis.Nil
	}
	found = &token{tenants: tenants, until: time.Now().Add(time.Second)}
	t.mutex.Lock()
	if len(t.known) >= 4096 {
		clear(t.known)
	}
	t.known[text] = found
	t.mutex.Unlock()
	return found, nil
}
