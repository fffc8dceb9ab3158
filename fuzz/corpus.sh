#!/usr/bin/env bash
# Writes the first corpus of the fuzz targets to fuzz/corpus/.
set -euo pipefail
cd "$(dirname "$0")"
for target in amazon_filter calendar_file client_headers client_responses client_tokens fault_rules graph_filter media \
    server_headers server_request server_routes; do
    mkdir -p "corpus/$target"
done

number=0
while IFS=$'\t' read -r method target; do
    number=$((number + 1))
    printf '%s %s' "$method" "$target" >"corpus/server_routes/$number"
    printf '%s %s\ncontent-type: application/json\n\n{"name": "x", "folder": {}}' \
        "$method" "$target" >"corpus/server_request/$number"
done <seeds/requests.tsv

seed() { printf "$2" >"corpus/$1/$3"; }
seed server_request 'POST /v1.0/$batch\ncontent-type: application/json\n\n{"requests": [{"id": "1", "method": "GET", "url": "/me/drive/root"}, {"id": "2", "dependsOn": ["1"], "method": "PUT", "url": "/me/drive/root:/a:/content", "headers": {"content-type": "text/plain"}, "body": "YQ=="}]}' batch
seed server_request 'POST /v1.0/me/drive/root:/a:/createUploadSession\ncontent-type: application/json\n\n{"item": {"@microsoft.graph.conflictBehavior": "rename"}}' session
seed server_request 'PUT /v1.0/me/drive/root:/a:/content\nif-match: "x"\nrange: bytes=0-1\n\nbytes' put
seed server_request 'POST /v5.0/me/skydrive/files\ncontent-type: multipart/form-data; boundary=b\n\n--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n' multipart
seed server_request 'POST /cdproxy/nodes\ncontent-type: multipart/form-data; boundary=b\n\n--b\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n{"kind": "FILE", "name": "f"}\r\n--b\r\ncontent-disposition: form-data; name="content"; filename="f"\r\n\r\nx\r\n--b--\r\n' amazon
seed server_request 'BITS_POST /users/0x0/LiveFolders/a\nbits-packet-type: Create-Session\nbits-supported-protocols: {7df0354d-249b-430f-820d-3d2a9bef4931}\n\n' bits
seed server_request 'BITS_POST /users/0x0/LiveFolders/a\nbits-packet-type: Fragment\nbits-session-id: x\ncontent-range: bytes 0-0/1\n\nx' fragment
seed server_request 'POST /common/oauth2/v2.0/token\ncontent-type: application/x-www-form-urlencoded\n\ngrant_type=refresh_token&client_id=x&refresh_token=drivedal-dev-refresh' token
seed server_request 'POST /drive/v1/changes\ncontent-type: application/json\n\n{"checkpoint": "x", "chunkSize": 1, "maxNodes": 1, "includePurged": true}' changes

seed amazon_filter 'kind:FILE AND (name:"a b*" OR name:a\\\\ b) AND createdDate:[* TO 2015-01-01T00:00:00.000Z]' 1
seed amazon_filter '["name ASC", "contentProperties.size DESC"]' 2
seed calendar_file 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:a\r\nDTSTART;TZID=Europe/Berlin:20110420T010000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU;COUNT=9\r\nEXDATE:20110421T010000Z\r\nBEGIN:VALARM\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n' 1
seed graph_filter "/me/drive/root:/a%%20b:/children?\$filter=not (startswith(name,'a''b') and size ge 5) or folder ne null" 1
seed graph_filter "/drives/x/items/y/children?\$select=id,name&\$expand=children(\$select=id;\$top=5),thumbnails&\$orderby=name desc&\$top=5" 2
seed graph_filter "/sites/h:/a/b:/lists/x/drive/root/search(q='a')" 3
seed server_headers 'Bearer drivedal-dev-anna' 1
seed server_headers 'Basic YTpi' 2
seed server_headers 'bytes=0-1' 3
seed server_headers 'bytes 0-25/128' 4
seed server_headers 'client_id=a&redirect_uri=http%%3A%%2F%%2Flocalhost&scope=wl.skydrive' 5
seed fault_rules '[{"operation": "live.*", "path": "*a", "skip": 1, "times": 2, "status": 503, "headers": {"Retry-After": "1"}, "body": "x"}]' 1
seed fault_rules '{"reset": true, "when": "during", "at": 5, "latency": {"lognormal": {"median": 1, "sigma": 2}}, "drip": {"bytes": 1, "every": 50}, "bandwidth": {"up": 1}}' 2

seed client_headers '7\nWed, 21 Oct 2015 07:28:00 GMT\n0\n4\nhttps://h/b?c\n' 1
seed client_headers 'bytes 0-9/100\nbytes 0-9/*\nbytes */100\n' 2
seed client_headers '*.drive.test, own:81\nhttps://a.drive.test/x\nhttps://u:p@a.own.test:443/x?y#z\n' 3
seed client_tokens '{"access_token": "a", "token_type": "bearer", "expires_in": "3600", "refresh_token": "r", "scope": "s"}' 1
seed client_tokens '{"refresh_token": "r", "access_token": "a", "renew_at": "2015-01-02T03:04:05Z"}' 2
seed client_tokens 'auth:\n  access_expires: 2014-02-03 04:05:06.789012\n  access_token: a\n  refresh_token: r\nclient:\n  id: 0000000062000012\n  secret: s\nrequest:\n  base_headers:\n    Accept-Encoding: identity\nother: [1, {two: 3}]\n' 3
seed client_tokens '[od]\ntype = onedrive\nclient_id = a\nregion = us\ntoken = {"access_token":"a","refresh_token":"r","expiry":"2026-11-30T12:00:00.5+01:00"}\ntoken_url = http://h/t/oauth2/v2.0/token\n' 4
seed client_tokens '{"access_token": "a", "refresh_token": "r", "expires_in": 3600, "token_type": "bearer", "exp_time": 1448884800.25}' 5
# The bytes choose the parts of responses. The fuzzer would begin with a few bytes, which are no response.
for number in {1..16}; do
    head -c $((number * 200)) /dev/urandom >"corpus/client_responses/$number"
done

cp ../crates/test-support/media/* corpus/media/
seed media '\377\330\377\340\0\020JFIF\0\1\1\0\0\1\0\1\0\0\377\300\0\021\10\0\1\0\1\3\1\42\0\2\21\1\3\21\1' jpeg
seed media '\377\330\377\341\0\042Exif\0\0II*\0\10\0\0\0\1\0\17\1\2\0\4\0\0\0abc\0\0\0\0\0' exif
seed media '\211PNG\r\n\32\n\0\0\0\15IHDR\0\0\0\1\0\0\0\1\10\6\0\0\0\37\25\304\211\0\0\0\nIDATx\234c\0\1\0\0\5\0\1\r\n-\264\0\0\0\0IEND\256B`\202' png
seed media 'GIF89a\1\0\1\0\200\0\0\0\0\0\377\377\377,\0\0\0\0\1\0\1\0\0\2\2D\1\0;' gif
seed media 'BM:\0\0\0\0\0\0\0006\0\0\0(\0\0\0\1\0\0\0\1\0\0\0\1\0\30\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' bmp
seed media '\0\0\0\20ftypisom\0\0\0\0\0\0\0\10moov' mp4
seed media '\0\0\0\20ftypM4A \0\0\0\0\0\0\0\20moov\0\0\0\10udta' m4a
seed media '\0\0\0\20ftypheic\0\0\0\0\0\0\0\14meta\0\0\0\0' heic
seed media '\32E\337\243\201\0\30S\200g\201\0' webm
seed media 'ID3\3\0\0\0\0\0\16TIT2\0\0\0\4\0\0\0abc' mp3
seed media 'fLaC\0\0\0\42\0\20\0\20\0\0\0\0\0\0\12\304\102\360\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' flac
seed media 'RIFF\44\0\0\0WAVEfmt \20\0\0\0\1\0\1\0D\254\0\0\210X\1\0\2\0\20\0data\0\0\0\0' wav
seed media 'FORM\0\0\0\4AIFF' aiff
seed media 'II*\0\10\0\0\0\0\0' tiff
