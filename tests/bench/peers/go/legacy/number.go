// Package legacy holds what both Go peers share of the contract: numbers, and errors as JSON.
package legacy

import "strings"

// Canonical gives one spelling for the ways to write a Vietnamese number; all else stays as it is.
func Canonical(phone string) string {
	plain := true
	for i := 0; i < len(phone) && plain; i++ {
		plain = phone[i] >= '0' && phone[i] <= '9'
	}
	digits := phone
	if !plain {
		digits = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, phone)
		if strings.Trim(phone, "+0123456789 .-()/") != "" {
			return phone
		}
	}
	switch {
	case len(digits) >= 11 && strings.HasPrefix(digits, "0084"):
		return "0" + digits[4:]
	case len(digits) >= 10 && strings.HasPrefix(digits, "84"):
		return "0" + digits[2:]
	case strings.HasPrefix(phone, "+"):
		return "+" + digits
	}
	return digits
}

// CallsKey names the sorted set of a number's calls, TenantKey the prefix of all keys of a tenant.
func CallsKey(tenant, number string) string { return tenant + ":calls:" + number }

// CallKey names a call.
func CallKey(tenant, id string) string { return tenant + ":call:" + id }

// TenantKey is the hash-tagged prefix of a tenant's keys.
func TenantKey(project, vbot string) string { return "{" + project + "/" + vbot + "}" }
