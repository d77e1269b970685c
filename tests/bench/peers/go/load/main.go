// Loads NDJSON calls into the Go peers' layout: protobuf values by id, and a sorted set of ids per number.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log"
	"os"
	"strings"
	"time"

	"callhistory.example/peers/legacy"
	"callhistory.example/peers/peerpb"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
)

type party struct {
	Phone       string  `json:"phone"`
	VbotID      string  `json:"vbot_id"`
	DateCreate  string  `json:"date_create"`
	Disposition string  `json:"disposition"`
	TimeCall    string  `json:"time_call"`
	Postage     float64 `json:"postage"`
	Source      string  `json:"source"`
	MemberNo    string  `json:"member_no"`
}

type line struct {
	ProjectCode string   `json:"project_code"`
	VbotID      string   `json:"vbot_id"`
	ID          string   `json:"id"`
	TransID     string   `json:"trans_id"`
	Hotline     string   `json:"hotline_number"`
	DateCreate  string   `json:"date_create"`
	Caller      []party  `json:"caller"`
	Callee      []party  `json:"callee"`
	TimeCall    string   `json:"time_call"`
	TypeCall    string   `json:"type_call"`
	Disposition string   `json:"disposition"`
	RecordFile  []string `json:"record_file"`
	EventData   *string  `json:"event_data"`
}

func parties(list []party) []*peerpb.Party {
	out := make([]*peerpb.Party, len(list))
	for i, p := range list {
		out[i] = &peerpb.Party{Phone: p.Phone, VbotId: p.VbotID, DateCreate: p.DateCreate,
			Disposition: strings.ToUpper(p.Disposition), TimeCall: p.TimeCall, Postage: p.Postage, Source: p.Source,
			MemberNo: p.MemberNo}
	}
	return out
}

// add queues one call and gives the tenant it belongs to.
func add(ctx context.Context, pipe redis.Pipeliner, text []byte, zone *time.Location) (string, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return "", err
	}
	if l.ID == "" {
		l.ID = l.TransID
	}
	if l.ID == "" {
		digest := sha256.Sum256(text)
		l.ID = hex.EncodeToString(digest[:16])
	}
	start, err := time.ParseInLocation("01/02/2006 15:04:05", l.DateCreate, zone)
	if err != nil {
		return "", err
	}
	value, err := proto.Marshal(&peerpb.Call{HotlineNumber: l.Hotline, DateCreate: l.DateCreate,
		Caller: parties(l.Caller), Callee: parties(l.Callee), TimeCall: l.TimeCall, TypeCall: strings.ToUpper(l.TypeCall),
		Disposition: strings.ToUpper(l.Disposition), RecordFile: l.RecordFile, EventData: l.EventData})
	if err != nil {
		return "", err
	}
	tenant := legacy.TenantKey(l.ProjectCode, l.VbotID)
	pipe.Set(ctx, legacy.CallKey(tenant, l.ID), value, 0)
	member := redis.Z{Score: float64(start.UnixMilli()), Member: l.ID}
	for _, list := range [][]party{l.Caller, l.Callee} {
		for _, p := range list {
			if p.Phone != "" {
				pipe.ZAdd(ctx, legacy.CallsKey(tenant, legacy.Canonical(p.Phone)), member)
			}
		}
	}
	return tenant, nil
}

func main() {
	store := flag.String("redis", "", "socket path of Redis")
	token := flag.String("token-file", "", "file of a token that shall open every tenant seen")
	flag.Parse()
	secret, err := os.ReadFile(*token)
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(string(secret))))
	zone, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: *store})
	pipe := client.Pipeline()
	tenants := map[string]bool{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		tenant, err := add(ctx, pipe, lines.Bytes(), zone)
		if err != nil {
			log.Fatal(err)
		}
		tenants[tenant] = true
		if pipe.Len() >= 2000 {
			if _, err := pipe.Exec(ctx); err != nil {
				log.Fatal(err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	for tenant := range tenants {
		pipe.SAdd(ctx, "token:"+hex.EncodeToString(digest[:]), tenant)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		log.Fatal(err)
	}
}
