package main

import (
	"strconv"

	"callhistory.example/peers/peerpb"
)

func appendList(out []byte, calls []*peerpb.Call) []byte {
	out = append(out, `{"status":1,"error":0,"message":"success","data":[`...)
	for i, call := range calls {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendCall(out, call)
	}
	return append(out, "]}"...)
}

func appendCall(out []byte, call *peerpb.Call) []byte {
	out = appendString(append(out, `{"hotline_number":`...), call.HotlineNumber)
	out = appendString(append(out, `,"date_create":`...), call.DateCreate)
	out = appendParties(append(out, `,"caller":[`...), call.Caller)
	out = appendParties(append(out, `],"callee":[`...), call.Callee)
	out = appendString(append(out, `],"time_call":`...), call.TimeCall)
	out = appendString(append(out, `,"type_call":`...), call.TypeCall)
	out = appendString(append(out, `,"disposition":`...), call.Disposition)
	out = append(out, `,"record_file":[`...)
	for i, url := range call.RecordFile {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, url)
	}
	out = append(out, ']')
	if call.EventData != nil {
		out = appendString(append(out, `,"event_data":`...), *call.EventData)
	}
	return append(out, '}')
}

func appendParties(out []byte, parties []*peerpb.Party) []byte {
	for i, party := range parties {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(append(out, `{"phone":`...), party.Phone)
		out = appendString(append(out, `,"vbot_id":`...), party.VbotId)
		out = appendString(append(out, `,"date_create":`...), party.DateCreate)
		out = appendString(append(out, `,"disposition":`...), party.Disposition)
		out = appendString(append(out, `,"time_call":`...), party.TimeCall)
		out = strconv.AppendFloat(append(out, `,"postage":`...), party.Postage, 'g', -1, 64)
		out = appendString(append(out, `,"source":`...), party.Source)
		out = appendString(append(out, `,"member_no":`...), party.MemberNo)
		out = append(out, '}')
	}
	return out
}

const hex = "0123456789abcdef"

func appendString(out []byte, text string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		out = append(out, text[start:i]...)
		if c == '"' || c == '\\' {
			out = append(out, '\\', c)
		} else {
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(out, text[start:]...), '"')
}
